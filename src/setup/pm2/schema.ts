import Config from 'pm2/lib/tools/Config.js';

/**
 * What PM2 itself would say about apps before it starts them, and the keys that it would silently ignore because it
 * does not know them. Empty: nothing.
 */
export function faultsOf(apps: readonly object[]): string[] {
  return apps.flatMap((app) => {
    const name = 'name' in app ? String(app.name) : 'an app without a name';
    const known = knownKeys();
    const unknown = Object.keys(app).filter((key) => !known.has(key) && !/^env_\S*$/.test(key));
    return [
      ...Config.validateJSON(app).errors,
      ...unknown.map((key) => `PM2 has no ${JSON.stringify(key)}`),
    ].map((fault) => `${name}: ${fault}`);
  });
}

function knownKeys(): Set<string> {
  return new Set(Object.entries(Config.schema).flatMap(([key, { alias = [] }]) => [key, ...alias]));
}
