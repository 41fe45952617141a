/**
 * The folders of Open WebUI's official image without a container: its source tree in app/, and Python packages without
 * Open WebUI among them, as the image's Dockerfile lays them out.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPython, OPEN_WEBUI_VERSION } from '../../scripts/environments.mjs';
import { openWebuiEnvironment, ROOT } from './environment.ts';

export interface ImageFolders {
  /** In the image: /app. */
  app: string;
  /** In the image: Python's own site-packages, where it needs no PYTHONPATH. */
  packages: string;
  /** In the image: /usr/local/bin/python3. */
  python: string;
  /** What the `tools` container makes: Node and PM2. */
  tools: string;
}

export function layOutImage(folder: string): ImageFolders {
  const { folder: environment } = openWebuiEnvironment();
  const { command, version } = findPython();
  const [major, minor] = version.split('.');
  const installed = join(environment, 'lib', `python${major}.${minor}`, 'site-packages');
  const [app, packages, tools] = ['app', 'packages', 'tools'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];

  layOutApp(app, installed);
  layOutPackages(packages, installed);

  mkdirSync(join(tools, 'node_modules'), { recursive: true });
  symlinkSync(process.execPath, join(tools, 'node'));
  symlinkSync(join(ROOT, 'node_modules', 'pm2'), join(tools, 'node_modules', 'pm2'));
  const python = execFileSync(command, ['-c', 'import sys; print(sys.executable)'], {
    encoding: 'utf8',
  }).trim();
  return { app, packages, python, tools };
}

/** Open WebUI's tree as the image has it in /app. `installed`: the site-packages that it is taken from. */
export function layOutApp(app: string, installed: string): void {
  mkdirSync(join(app, 'backend', 'data'), { recursive: true });
  // Copied: it finds its source tree by where its own files really are.
  const source = join(installed, 'open_webui');
  const isElsewhere = (path: string) => ['frontend', 'data'].some((name) => path === join(source, name));
  cpSync(source, join(app, 'backend', 'open_webui'), {
    recursive: true,
    preserveTimestamps: true,
    filter: (path) => !isElsewhere(path),
  });
  symlinkSync(join(source, 'frontend'), join(app, 'build'));
  symlinkSync(join(source, 'CHANGELOG.md'), join(app, 'CHANGELOG.md'));
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ name: 'open-webui', version: OPEN_WEBUI_VERSION }),
  );
}

/** Python's packages without Open WebUI, which the image has in /app/backend. */
export function layOutPackages(packages: string, installed: string): void {
  mkdirSync(packages, { recursive: true });
  for (const name of readdirSync(installed)) {
    if (!/^open_webui(?:$|-.*\.dist-info$)/.test(name))
      symlinkSync(join(installed, name), join(packages, name));
  }
}
