import type { ServiceFacts } from '../facts/types.ts';
import type { Places } from '../plan/types.ts';

/** Paths of an ordinary installation: on the other machine nobody can be asked. */
export const EXAMPLE_PLACES: Places = {
  python: '/opt/open-webui/bin/python',
  runtime: '/usr/lib/node_modules/webui-tune/dist/runtime',
  dataDir: '/var/lib/open-webui',
  controlSocket: '/run/open-webui/control.sock',
  secretsFile: '/var/lib/open-webui/.webui-tune.env',
  staticCache: '/var/cache/webui-tune/static',
};

/** Neither there nor missing: the plan does not count on what nobody has asked. */
export const UNASKED: ServiceFacts = { database: { kind: 'unknown' }, redis: { kind: 'unknown' } };
