/**
 * The images that the rendered Compose file names, from what is installed here, because no registry can be asked: each holds
 * what its official one lays out, and the programs of this machine are mounted into its containers.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findOnPath } from '../../src/base/io/path.ts';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { findRedis } from '../../src/bench/scratch/programs.ts';
import { packagesFolder } from '../../src/facts/embedded/packages.ts';
import { IN_TOOLS_IMAGE } from '../../src/render/helm/cluster.ts';
import { PM2_VERSION } from '../../src/render/pm2-version.ts';
import { installPackages } from './embedded-postgres.ts';
import { openWebuiEnvironment, ROOT } from './environment.ts';
import { layOutApp, layOutPackages } from './image.ts';
import type { Podman } from './podman.ts';

/** Of the machine's Debian: what an image's own Debian would bring. */
const SYSTEM = ['bin', 'sbin', 'lib', 'lib64', 'share', 'libexec'].map((name) => `/usr/${name}`);
const ETC = ['nsswitch.conf', 'ld.so.cache', 'alternatives', 'ssl', 'localtime'];

/** Of Debian's images. */
const PATH = '/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin';

/** As the official image: it makes the database at its first start, and runs as the user postgres. */
const POSTGRES_ENTRYPOINT = `#!/bin/bash
set -e
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" start
  createdb --host=/var/run/postgresql --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -w -m fast stop
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
`;

/** As the official image: other containers may ask it without a password. */
const VALKEY_ENTRYPOINT = '#!/bin/sh\nexec "$@" --protected-mode no\n';

/** The image's own, without what its variables switch on. */
const START_SH = `#!/usr/bin/env bash
cd "$(dirname "$0")" || exit
exec python3 -m uvicorn open_webui.main:app --host "\${HOST:-0.0.0.0}" --port "\${PORT:-8080}" \\
  --forwarded-allow-ips '*' --workers "\${UVICORN_WORKERS:-1}"
`;

type Image = 'openWebui' | 'postgres' | 'valkey' | 'node';

/** The volumes that each container needs here. */
export type OfficialImages = Record<Image, string[]>;

/** Makes the images; returns the volumes of each service that bring the programs. */
export async function makeOfficialImages(
  scope: Scope,
  podman: Podman,
  images: Record<Image, string>,
): Promise<OfficialImages> {
  const folder = await temporaryFolder(scope, 'images');
  chmodSync(folder, 0o755);
  const system = systemVolumes();
  const root = (name: string) => layOutSystem(join(folder, name));

  const entrypoint = 'ENTRYPOINT ["docker-entrypoint.sh"]';
  const programs = await installPackages(folder);
  const postgres = root('postgres');
  writeProgram(join(postgres, 'usr/local/bin/docker-entrypoint.sh'), POSTGRES_ENTRYPOINT);
  const valkey = root('valkey');
  writeProgram(join(valkey, 'usr/local/bin/docker-entrypoint.sh'), VALKEY_ENTRYPOINT);
  cpSync(programs.valkey, join(valkey, 'usr/local/bin/valkey-server'));
  symlinkSync(cliOf(findRedis(process.env.PATH)), join(valkey, 'usr/local/bin/valkey-cli'));
  const node = root('node');
  const npm = dirname(dirname(realpathSync(findOnPath('npm', process.env.PATH) ?? '/usr/bin/npm')));
  mkdirSync(join(node, 'usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(node, 'usr/local/bin/npm'));

  const [openWebui] = await Promise.all([
    makeOpenWebuiImage(scope, podman, images.openWebui),
    podman.makeImage(images.postgres, postgres, [
      `ENV PATH=${programs.postgres}:/usr/local/bin:/usr/bin:/bin`,
      'ENV PGDATA=/var/lib/postgresql/data',
      'ENV LANG=C.UTF-8',
      'STOPSIGNAL SIGINT',
      entrypoint,
    ]),
    podman.makeImage(images.valkey, valkey, [entrypoint]),
    podman.makeImage(images.node, node, []),
  ]);
  return {
    openWebui,
    postgres: [...system, readOnly(packagesFolder(folder))],
    valkey: system,
    node: [
      ...system,
      `${realpathSync(process.execPath)}:/usr/local/bin/node:ro`,
      `${npm}:/usr/local/lib/node_modules/npm:ro`,
    ],
  };
}

/** Open WebUI's own image; returns the volumes that bring the programs. */
export async function makeOpenWebuiImage(scope: Scope, podman: Podman, name: string): Promise<string[]> {
  const root = layOutSystem(join(await temporaryFolder(scope, 'open-webui-image'), 'root'));
  const volumes = layOutOpenWebui(root);
  await podman.makeImage(name, root, [
    'WORKDIR /app/backend',
    'CMD ["bash", "start.sh"]',
    ...Object.entries(OPEN_WEBUI_VARIABLES).map(([variable, value]) => `ENV ${variable}=${value}`),
  ]);
  return [...systemVolumes(), ...volumes];
}

/** An image as docs/kubernetes.md has one made for pods without a way to npm's registry; returns its volumes. */
export async function makeToolsImage(scope: Scope, podman: Podman, name: string): Promise<string[]> {
  const root = layOutSystem(join(await temporaryFolder(scope, 'tools-image'), 'root'));
  const folder = join(root, IN_TOOLS_IMAGE);
  const tools = join(folder, 'tools');
  mkdirSync(tools, { recursive: true });
  cpSync(realpathSync(process.execPath), join(tools, 'node'));
  execFileSync('npm', ['install', '--prefix', tools, '--no-audit', '--no-fund', `pm2@${PM2_VERSION}`], {
    stdio: 'pipe',
  });
  cpSync(join(ROOT, 'dist', 'runtime'), join(folder, 'runtime'), { recursive: true });
  await podman.makeImage(name, root, [`ENV PATH=${PATH}`]);
  return systemVolumes();
}

/** Variables of the official image that Open WebUI reads. */
const OPEN_WEBUI_VARIABLES = {
  PATH,
  LANG: 'C.UTF-8',
  ENV: 'prod',
  PORT: '8080',
  OLLAMA_BASE_URL: '/ollama',
  WEBUI_SECRET_KEY: '""',
  OPENAI_API_KEY: '""',
  SCARF_NO_ANALYTICS: 'true',
  DO_NOT_TRACK: 'true',
  ANONYMIZED_TELEMETRY: 'false',
  HF_HOME: '/app/backend/data/cache/embedding/models',
  SENTENCE_TRANSFORMERS_HOME: '/app/backend/data/cache/embedding/models',
  HOME: '/root',
};

const systemVolumes = () => SYSTEM.filter((path) => existsSync(path)).map(readOnly);

const readOnly = (path: string) => `${path}:${path}:ro`;

/** What every Debian has, without its programs and libraries. */
function layOutSystem(root: string): string {
  for (const path of ['etc', 'tmp', 'root', 'run', 'var/run', 'var/lib', 'var/tmp', 'usr/local/bin']) {
    mkdirSync(join(root, path), { recursive: true });
  }
  for (const path of ['tmp', 'var/tmp']) chmodSync(join(root, path), 0o1777);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
  for (const name of ETC.filter((each) => existsSync(join('/etc', each)))) {
    cpSync(join('/etc', name), join(root, 'etc', name), { recursive: true, verbatimSymlinks: true });
  }
  const accounts = { root: 0, postgres: 999, nobody: 65534 };
  const lines = Object.entries(accounts);
  writeFileSync(
    join(root, 'etc/passwd'),
    lines.map(([name, id]) => `${name}:x:${id}:${id}::/${name}:/bin/sh\n`).join(''),
  );
  writeFileSync(join(root, 'etc/group'), lines.map(([name, id]) => `${name}:x:${id}:\n`).join(''));
  return root;
}

/** /app, and a Python in /usr/local whose packages are those of the tests' environment. Returns its volumes. */
function layOutOpenWebui(root: string): string[] {
  const { folder, python } = openWebuiEnvironment();
  const ask = (what: string) =>
    execFileSync(python, ['-c', `import sys; print(${what})`], { encoding: 'utf8' }).trim();
  const [program, base] = [ask('sys._base_executable'), ask('sys.base_prefix')];
  const library = join('lib', `python${ask('"%d.%d" % sys.version_info[:2]')}`, 'site-packages');
  const [app, local, installed] = [join(root, 'app'), join(root, 'usr/local'), join(folder, library)];

  layOutApp(app, installed);
  writeProgram(join(app, 'backend', 'start.sh'), START_SH);
  // The image has its models there.
  mkdirSync(join(app, 'backend', 'data', 'cache'));
  layOutPackages(join(local, library), installed);
  cpSync(join(folder, 'pyvenv.cfg'), join(local, 'pyvenv.cfg'));
  for (const name of ['python', 'python3']) symlinkSync(program, join(local, 'bin', name));
  return [folder, ...(base === '/usr' ? [] : [base])].map(readOnly);
}

function cliOf(server: string | undefined): string {
  if (server === undefined) throw new Error('there is no Redis');
  return server.replace(/-server$/, '-cli');
}

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o755 });
}
