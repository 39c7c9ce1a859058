import type { z } from 'zod'
import { clusterRoutes } from './cluster.ts'
import { networkRoutes } from './network.ts'
import { nodeRoutes } from './node.ts'
import { nodeFenceRoutes } from './node-fence.ts'
import { nodeFenceTestRoutes } from './node-fence-test.ts'
import { nodeFlushRoutes } from './node-flush.ts'
import type { RouteId } from './paths.ts'
import { provisionerRoutes } from './provisioner.ts'
import type { Route } from './route.ts'
import { sriovRoutes } from './sriov.ts'
import { storageRoutes } from './storage.ts'
import { streamRoutes } from './stream.ts'
import { vmRoutes } from './vm.ts'
import { vmLocksRoutes } from './vm-locks.ts'
import { vmMoveRoutes } from './vm-move.ts'

/** Every route with its schemas. The client imports only types from here and plain data from paths.ts. */
export const CONTRACT = {
  ...clusterRoutes,
  ...nodeRoutes,
  ...nodeFenceRoutes,
  ...nodeFlushRoutes,
  ...nodeFenceTestRoutes,
  ...vmRoutes,
  ...vmMoveRoutes,
  ...vmLocksRoutes,
  ...streamRoutes,
  ...networkRoutes,
  ...provisionerRoutes,
  ...sriovRoutes,
  ...storageRoutes,
} as const satisfies { readonly [Id in RouteId]: Route }

export type Contract = typeof CONTRACT

/** What a handler gets: checked and converted arguments. */
export type RouteInput<Id extends RouteId> = z.output<Contract[Id]['input']>

/** What a route answers with status 200. */
export type RouteOutput<Id extends RouteId> = z.output<Contract[Id]['output']>

/** Names of the arguments of a route; a client sends each as text. */
export type RouteArgument<Id extends RouteId> = keyof z.output<Contract[Id]['input']> & string

/** Text of the arguments as a client sends them; a list is sent as a repeated argument, undefined is not sent. */
export type RouteArguments<Id extends RouteId> = {
  readonly [Name in RouteArgument<Id>]?: string | number | boolean | readonly string[] | undefined
}
