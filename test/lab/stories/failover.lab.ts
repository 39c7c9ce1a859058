import { failover } from '../failover-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('failover', 'a server dies, and its VMs run elsewhere', failover, { layout: 'hyperconverged' })
