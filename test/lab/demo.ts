/** `make demo`: brings a cluster up, tells the story, and leaves the cluster running. `make demo-down` ends it. */

import { networkSteps } from './demo-network.ts'
import { deathStory } from './failover-story.ts'
import { maintenanceStory } from './flush-story.ts'
import { foundationStory } from './foundation-story.ts'
import { endInstance, findInstance } from './instance.ts'
import { startLab } from './lab.ts'
import { movingStory } from './moving-story.ts'
import { runStep, seconds } from './story.ts'

const name = 'default'

const whatNext = `
The cluster runs on. Try:
  npm run -s lab -- pvc node list
  npm run -s lab -- pvc vm info web
  npm run -s lab -- pvc network info 100      and: network dhcp list 100
  npm run -s lab -- sh root dig +short @10.90.0.250 till.shop.example.org
  npm run -s lab -- status
  npm run -s lab -- sh hv1                a shell on the first host
  npm run -s lab -- sh hv1 tail -f /var/log/libvirt/qemu/web-serial.log
  npm run -s lab -- pvc node flush hv1 --dry-run
  npm run -s lab -- pvc node flush hv1 -w   then: pvc node ready hv1 -w
  npm run -s lab -- power hv1 reset
  make demo-down                                        ends it and leaves nothing behind`

async function tell(): Promise<void> {
  if (findInstance(name) !== undefined) await endInstance(name)
  console.log('Bringing up three hosts with ZooKeeper, Ceph, libvirt and the PVC daemons.')
  const startMs = performance.now()
  const lab = await startLab({ name, tied: false, say: (line) => console.log(`  ${line}`) })
  console.log(`  up after ${seconds(performance.now() - startMs)}\n`)
  const steps = [...foundationStory, ...networkSteps, ...movingStory, ...maintenanceStory, ...deathStory]
  for (const [index, step] of steps.entries()) {
    const { seen, tookMs } = await runStep(lab, step)
    console.log(`${String(index + 1).padStart(2)}. ${step.title}\n    ${seen}  [${seconds(tookMs)}]`)
  }
  console.log(whatNext)
}

try {
  await tell()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(`The cluster is left as it is: npm run -s lab -- status; make demo-down ends it.`)
  process.exitCode = 1
}
