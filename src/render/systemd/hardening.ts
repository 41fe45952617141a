import { type Line, pathWord } from './unit.ts';

interface Access {
  /** Paths that the service writes to, in addition to its run and cache folders. */
  writes: readonly string[];
  /** Paths that it reads; if one is in a home, homes stay readable. */
  reads: readonly string[];
  /** Port that it binds; a port below 1024 needs a capability. Undefined: it uses no network. */
  port?: number;
  /** Whether its processes outlive the service: they would lose a private /tmp. */
  isOutlived?: boolean;
  /** The one that it needs for what it does; beside it, it has none. */
  capability?: string;
}

const HOMES = /^\/(?:home|root|run\/user)(?:\/|$)/;

/**
 * What the service may not do: systemd.exec(5), "SANDBOXING". MemoryDenyWriteExecute is left out, because V8 and libraries
 * that generate code at run time (torch, numba, libffi) need such memory.
 */
export function hardening({ writes, reads, port, isOutlived = false, capability: needed }: Access): Line[] {
  const needsPort = port !== undefined && port < 1024;
  const usesHome = [...writes, ...reads].some((path) => HOMES.test(path));
  const capability = needsPort ? 'CAP_NET_BIND_SERVICE' : (needed ?? '');
  const yes = [
    'NoNewPrivileges',
    'PrivateDevices',
    'ProtectClock',
    'ProtectControlGroups',
    'ProtectHostname',
    'ProtectKernelLogs',
    'ProtectKernelModules',
    'ProtectKernelTunables',
    'LockPersonality',
    'RemoveIPC',
    'RestrictNamespaces',
    'RestrictRealtime',
    'RestrictSUIDSGID',
  ];
  const writable = isOutlived ? [...writes, '/tmp', '/var/tmp'] : writes;
  return [
    ...(isOutlived ? [] : [{ key: 'PrivateTmp', value: 'yes' }]),
    ...yes.map((key) => ({ key, value: 'yes' })),
    { key: 'ProtectSystem', value: 'strict' },
    {
      key: 'ProtectHome',
      value: usesHome ? 'read-only' : 'yes',
      ...(usesHome && { comment: 'It reads files in a home.' }),
    },
    ...(writable.length > 0 ? [{ key: 'ReadWritePaths', value: writable.map(pathWord).join(' ') }] : []),
    // Hides other users' processes; the service reads the memory figures of its own.
    { key: 'ProtectProc', value: 'invisible' },
    { key: 'CapabilityBoundingSet', value: capability },
    ...(needsPort ? [{ key: 'AmbientCapabilities', value: capability }] : []),
    { key: 'RestrictAddressFamilies', value: port === undefined ? 'AF_UNIX' : 'AF_UNIX AF_INET AF_INET6' },
    { key: 'SystemCallArchitectures', value: 'native' },
    { key: 'SystemCallFilter', value: '@system-service' },
    { key: 'SystemCallFilter', value: '~@privileged' },
    // A worker gives up the capability; otherwise its supervisor could not read its memory.
    ...(needsPort ? [{ key: 'SystemCallFilter', value: 'capset' }] : []),
    { key: 'SystemCallErrorNumber', value: 'EPERM' },
    { key: 'UMask', value: '0077' },
  ];
}
