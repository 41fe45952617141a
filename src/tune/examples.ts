import type { ServiceFacts } from '../facts/types.ts';
import type { Places } from '../plan/places.ts';

/** Paths of an ordinary installation, for another machine, which cannot be asked. */
export const EXAMPLE_PLACES: Places = {
  python: '/opt/open-webui/bin/python',
  runtime: '/usr/lib/node_modules/webui-tune/dist/runtime',
  dataDir: '/var/lib/open-webui',
  controlSocket: '/run/open-webui/control.sock',
  secretsFile: '/var/lib/open-webui/.webui-tune.env',
  staticCache: '/var/cache/webui-tune/static',
};

/** Services that nobody has asked. The plan counts them neither as present nor as missing. */
export const UNASKED: ServiceFacts = { database: { kind: 'unknown' }, redis: { kind: 'unknown' } };
