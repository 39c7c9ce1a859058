/**
 * Where each route lives, as plain data: no schema is evaluated by importing this file, so that the command-line client
 * stays quick to start. The schemas of a route are in the file of its noun, under the same id.
 */

/** Prefix of every path below. */
export const API_PREFIX = '/api/v1'

/** Header that carries the token; `Authorization: Bearer TOKEN` is accepted too. */
export const TOKEN_HEADER = 'x-api-key'

/** TCP port of pvcapid when nothing else is configured. */
export const DEFAULT_API_PORT = 7370

/**
 * Who may call a route: `anyone` needs no token; the others need at least that role
 * (an admin may do what an operator may, an operator what a reader may).
 */
export type Access = 'anyone' | 'read-only' | 'operator' | 'admin'

export type RouteAddress = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Relative to {@link API_PREFIX}; `{name}` is a path argument. */
  readonly path: string
  readonly access: Access
  /** Arguments too long for a query string: clients send them as an urlencoded form body. */
  readonly form?: readonly string[]
  /** Answers with server-sent events instead of one JSON text. */
  readonly isStream?: true
  /** Becomes a WebSocket of bytes both ways; its opening is in the audit log. */
  readonly isSocket?: true
}

/** Every route: id → address. */
export const ROUTES = {
  root: { method: 'GET', path: '/', access: 'anyone' },
  status: { method: 'GET', path: '/status', access: 'read-only' },
  primaryNode: { method: 'GET', path: '/status/primary_node', access: 'anyone' },
  setMaintenance: { method: 'POST', path: '/status', access: 'admin' },
  audit: { method: 'GET', path: '/audit', access: 'admin' },

  nodeList: { method: 'GET', path: '/node', access: 'read-only' },
  nodeInfo: { method: 'GET', path: '/node/{node}', access: 'read-only' },
  nodeDaemonState: { method: 'GET', path: '/node/{node}/daemon-state', access: 'read-only' },
  nodeCoordinatorState: { method: 'GET', path: '/node/{node}/coordinator-state', access: 'read-only' },
  nodeSetCoordinatorState: { method: 'POST', path: '/node/{node}/coordinator-state', access: 'operator' },
  nodeDomainState: { method: 'GET', path: '/node/{node}/domain-state', access: 'read-only' },
  nodeSetDomainState: { method: 'POST', path: '/node/{node}/domain-state', access: 'operator' },
  nodeLog: { method: 'GET', path: '/node/{node}/log', access: 'read-only' },
  nodeLogStream: { method: 'GET', path: '/node/{node}/log/stream', access: 'read-only', isStream: true },
  nodeFenceStatus: { method: 'GET', path: '/node/{node}/fence', access: 'read-only' },
  nodeFence: { method: 'POST', path: '/node/{node}/fence', access: 'admin' },
  nodeFenceConfirm: { method: 'POST', path: '/node/{node}/fence-confirm', access: 'admin' },
  nodeFlush: { method: 'GET', path: '/node/{node}/flush', access: 'read-only' },
  nodeFenceTest: { method: 'GET', path: '/node/{node}/fence-test', access: 'read-only' },
  nodeRunFenceTest: { method: 'POST', path: '/node/{node}/fence-test', access: 'operator' },

  vmList: { method: 'GET', path: '/vm', access: 'read-only' },
  vmDefine: { method: 'POST', path: '/vm', access: 'operator', form: ['xml'] },
  vmDefineNamed: { method: 'POST', path: '/vm/{vm}', access: 'operator', form: ['xml'] },
  vmInfo: { method: 'GET', path: '/vm/{vm}', access: 'read-only' },
  vmModify: { method: 'PUT', path: '/vm/{vm}', access: 'operator', form: ['xml'] },
  vmDelete: { method: 'DELETE', path: '/vm/{vm}', access: 'operator' },
  vmMeta: { method: 'GET', path: '/vm/{vm}/meta', access: 'read-only' },
  vmSetMeta: { method: 'POST', path: '/vm/{vm}/meta', access: 'operator', form: ['user_data'] },
  vmTags: { method: 'GET', path: '/vm/{vm}/tags', access: 'read-only' },
  vmEditTags: { method: 'POST', path: '/vm/{vm}/tags', access: 'operator' },
  vmState: { method: 'GET', path: '/vm/{vm}/state', access: 'read-only' },
  vmSetState: { method: 'POST', path: '/vm/{vm}/state', access: 'operator' },
  vmConsole: { method: 'GET', path: '/vm/{vm}/console', access: 'read-only' },
  vmConsoleStream: { method: 'GET', path: '/vm/{vm}/console/stream', access: 'read-only', isStream: true },
  vmConsoleInteractive: {
    method: 'GET',
    path: '/vm/{vm}/console/interactive',
    access: 'operator',
    isSocket: true,
  },
  vmNode: { method: 'GET', path: '/vm/{vm}/node', access: 'read-only' },
  vmMove: { method: 'POST', path: '/vm/{vm}/node', access: 'operator' },
  vmFlushLocks: { method: 'POST', path: '/vm/{vm}/locks', access: 'operator' },
  vmDecisions: { method: 'GET', path: '/vm/{vm}/decisions', access: 'read-only' },

  networkList: { method: 'GET', path: '/network', access: 'read-only' },
  networkAdd: { method: 'POST', path: '/network', access: 'operator' },
  networkInfo: { method: 'GET', path: '/network/{vni}', access: 'read-only' },
  networkAddNamed: { method: 'POST', path: '/network/{vni}', access: 'operator' },
  networkModify: { method: 'PUT', path: '/network/{vni}', access: 'operator' },
  networkRemove: { method: 'DELETE', path: '/network/{vni}', access: 'operator' },
  leaseList: { method: 'GET', path: '/network/{vni}/lease', access: 'read-only' },
  leaseAdd: { method: 'POST', path: '/network/{vni}/lease', access: 'operator' },
  leaseInfo: { method: 'GET', path: '/network/{vni}/lease/{mac}', access: 'read-only' },
  leaseAddNamed: { method: 'POST', path: '/network/{vni}/lease/{mac}', access: 'operator' },
  leaseRemove: { method: 'DELETE', path: '/network/{vni}/lease/{mac}', access: 'operator' },
  aclList: { method: 'GET', path: '/network/{vni}/acl', access: 'read-only' },
  aclAdd: { method: 'POST', path: '/network/{vni}/acl', access: 'operator' },
  aclInfo: { method: 'GET', path: '/network/{vni}/acl/{description}', access: 'read-only' },
  aclAddNamed: { method: 'POST', path: '/network/{vni}/acl/{description}', access: 'operator' },
  aclRemove: { method: 'DELETE', path: '/network/{vni}/acl/{description}', access: 'operator' },

  sriovPfList: { method: 'GET', path: '/sriov/pf', access: 'read-only' },
  sriovPfListOfNode: { method: 'GET', path: '/sriov/pf/{node}', access: 'read-only' },
  sriovVfList: { method: 'GET', path: '/sriov/vf', access: 'read-only' },
  sriovVfListOfNode: { method: 'GET', path: '/sriov/vf/{node}', access: 'read-only' },
  sriovVfInfo: { method: 'GET', path: '/sriov/vf/{node}/{vf}', access: 'read-only' },
  sriovVfSet: { method: 'PUT', path: '/sriov/vf/{node}/{vf}', access: 'operator' },
  userDataList: { method: 'GET', path: '/provisioner/userdata', access: 'read-only' },
  userDataAdd: { method: 'POST', path: '/provisioner/userdata', access: 'operator', form: ['data'] },
  userDataInfo: { method: 'GET', path: '/provisioner/userdata/{userdata}', access: 'read-only' },
  userDataAddNamed: {
    method: 'POST',
    path: '/provisioner/userdata/{userdata}',
    access: 'operator',
    form: ['data'],
  },
  userDataModify: { method: 'PUT', path: '/provisioner/userdata/{userdata}', access: 'operator', form: ['data'] },
  userDataRemove: { method: 'DELETE', path: '/provisioner/userdata/{userdata}', access: 'operator' },
  profileList: { method: 'GET', path: '/provisioner/profile', access: 'read-only' },
  profileAdd: { method: 'POST', path: '/provisioner/profile', access: 'operator' },
  profileInfo: { method: 'GET', path: '/provisioner/profile/{profile}', access: 'read-only' },
  profileAddNamed: { method: 'POST', path: '/provisioner/profile/{profile}', access: 'operator' },
  profileModify: { method: 'PUT', path: '/provisioner/profile/{profile}', access: 'operator' },
  profileRemove: { method: 'DELETE', path: '/provisioner/profile/{profile}', access: 'operator' },

  poolList: { method: 'GET', path: '/storage/ceph/pool', access: 'read-only' },
  poolAdd: { method: 'POST', path: '/storage/ceph/pool', access: 'admin' },
  poolInfo: { method: 'GET', path: '/storage/ceph/pool/{pool}', access: 'read-only' },
  poolAddNamed: { method: 'POST', path: '/storage/ceph/pool/{pool}', access: 'admin' },
  volumeList: { method: 'GET', path: '/storage/ceph/volume', access: 'read-only' },
  volumeAdd: { method: 'POST', path: '/storage/ceph/volume', access: 'operator' },
  volumeInfo: { method: 'GET', path: '/storage/ceph/volume/{pool}/{volume}', access: 'read-only' },
  volumeAddNamed: { method: 'POST', path: '/storage/ceph/volume/{pool}/{volume}', access: 'operator' },
  volumeResize: { method: 'PUT', path: '/storage/ceph/volume/{pool}/{volume}', access: 'operator' },
  volumeRemove: { method: 'DELETE', path: '/storage/ceph/volume/{pool}/{volume}', access: 'operator' },
} as const satisfies Record<string, RouteAddress>

export type RouteId = keyof typeof ROUTES

/** Address of a route without its literal types, for code that treats all routes alike. */
export function routeAddress(id: RouteId): RouteAddress {
  return ROUTES[id]
}

/** Fills the path arguments of a route. Missing ones throw: that is a bug of the caller. */
export function routePath(id: RouteId, args: Readonly<Record<string, unknown>>): string {
  const path = ROUTES[id].path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = typeof args[name] === 'number' ? String(args[name]) : args[name]
    if (typeof value !== 'string' || value === '') throw new Error(`route ${id} needs the argument ${name}`)
    return encodeURIComponent(value)
  })
  return API_PREFIX + path
}

/** Names of the path arguments of a route, in order. */
export function pathArguments(id: RouteId): readonly string[] {
  return [...ROUTES[id].path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
}
