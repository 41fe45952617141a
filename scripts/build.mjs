/**
 * Bundles the programs of the package into dist/ and copies the Python half of the runtime beside the
 * cluster worker, so that dist/runtime/ is complete in itself and can be put under a user's data folder.
 */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.12',
  define: {
    WEBUI_TUNE_VERSION: JSON.stringify(version),
    // pg looks whether it runs at Cloudflare by making a Response, for which Node 20 would load all of fetch.
    Response: 'undefined',
  },
  logLevel: 'warning',
};

rmSync('dist', { recursive: true, force: true });
await Promise.all([
  // What every run needs is inside: Node reads one file instead of three hundred, which saves 70 ms of 400.
  build({
    ...common,
    entryPoints: ['src/cli.ts', 'src/index.ts'],
    outdir: 'dist',
    format: 'esm',
    splitting: true,
    // These are large, have files of their own, and are seldom needed.
    external: ['pm2', 'systeminformation', 'autocannon'],
    // Bundled CommonJS packages (pg, redis) ask for Node's own modules by require().
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  }),
  // PM2 loads its configuration with require(), and so may users: CommonJS, complete in itself.
  build({
    ...common,
    entryPoints: { 'ecosystem.config': 'ecosystem.config.ts', ecosystem: 'src/tune/size-apps.ts' },
    outdir: 'dist',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    define: { ...common.define, 'import.meta.url': '__moduleUrl' },
    banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  }),
  // PM2 loads this one from a folder without node_modules: everything is inside. CommonJS, because PM2's
  // container requires it, which costs less memory a worker than its import() path.
  build({
    ...common,
    entryPoints: { worker: 'src/runtime/supervisor/main.ts', logrotate: 'src/runtime/logrotate.ts' },
    outdir: 'dist/runtime',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    minifySyntax: true,
  }),
  build({
    ...common,
    entryPoints: { metrics: 'src/runtime/metrics/main.ts' },
    outdir: 'dist/runtime',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
  }),
]);
cpSync('src/runtime/preload', 'dist/runtime/preload', {
  recursive: true,
  filter: (path) => !path.includes('__pycache__'),
});
// What the tuner has an installation's own Python run lies flat beside the bundles.
for (const room of ['facts', 'setup']) {
  for (const { name, parentPath } of readdirSync(join('src', room), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (name.endsWith('.py')) cpSync(join(parentPath, name), join('dist', name));
  }
}
