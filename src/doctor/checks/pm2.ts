import { formatBytes, GIB } from '../../base/units.ts';
import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import { APPS } from '../../runtime/contract.ts';
import { check, error, note, ok, warning } from '../check.ts';
import { workersOf } from '../read/ecosystem.ts';
import { environmentDiffers, instancesOf, leftOver } from './running.ts';

/** Oldest PM2 whose behaviour the file was tried with. */
const OLDEST = [7, 0, 1] as const;

/** Bytes of logs that are worth a word. */
const MANY_LOGS = GIB;

/** More restarts of an app than reloads explain. */
const MANY_RESTARTS = 20;

export const pm2Checks = [
  check({
    id: 'pm2.version',
    title: 'PM2 is new enough',
    why: 'older ones break Python interpreters whose path holds "bun", and stop what they should not',
    source: 'PM2’s CHANGELOG 7.0.1; Unitech/pm2#5990',
    needs: ['pm2'],
    about: 'pm2',
    run: ({ pm2: { version, where, daemonVersion } }) => {
      if (isOlder(version)) return error(`PM2 ${version} (${where})`, 'npm install --global pm2@7');
      if (daemonVersion !== undefined && daemonVersion !== version) {
        const found = `the command is PM2 ${version}, its daemon still ${daemonVersion}`;
        const mend = 'pm2 save && pm2 update: it restarts all apps';
        return isOlder(daemonVersion) ? error(found, mend) : warning(found, mend);
      }
      return ok(`PM2 ${version} (${where})`);
    },
  }),
  check({
    id: 'pm2.ps',
    title: 'PM2 can see child processes',
    why: 'without ps PM2 cannot stop an app that has treekill on: it waits, then leaves children behind',
    source: 'pm2/lib/TreeKill.js; Unitech/pm2#6084',
    needs: ['pm2'],
    run: ({ pm2: { hasPs } }) =>
      hasPs
        ? ok('ps is there')
        : warning('there is no ps on PATH', 'apt install procps (or your system’s package)'),
  }),
  check({
    id: 'pm2.runs',
    title: 'All apps of the file run',
    why: 'an app that is stopped or errored does not come back by itself',
    source: 'pm2 list',
    needs: ['pm2', 'ecosystem'],
    run: ({ pm2: { processes }, ecosystem }) => {
      if (!processes) return note('PM2 does not run', `pm2 start ${ecosystem.path}`);
      const missing = ecosystem.apps.filter(({ name }) => !processes.some((app) => app.name === name));
      const ill = processes.filter(({ name, pm2_env: { status } }) => {
        const app = ecosystem.apps.find((one) => one.name === name);
        // An app with a schedule is stopped between two runs.
        const isDone = app?.cron_restart !== undefined && status === 'stopped';
        return app && status !== 'online' && !isDone;
      });
      if (missing.length === ecosystem.apps.length)
        return note('none of them', `pm2 start ${ecosystem.path}`);
      const findings = [
        ...missing.map(({ name }) =>
          error(`PM2 does not run ${name}`, `pm2 start ${ecosystem.path} --only ${name}`),
        ),
        ...ill.map(({ name, pm_id, pm2_env }) =>
          error(
            `${name} (${pm_id}) is ${pm2_env.status}`,
            `pm2 logs ${name} says why; then pm2 restart ${name}`,
          ),
        ),
      ];
      const count = ecosystem.apps.flatMap(({ name }) => processes.filter((app) => app.name === name)).length;
      return findings.length > 0 ? findings : ok(`${count} of its processes`);
    },
  }),
  check({
    id: 'pm2.count',
    title: 'As many workers run as the file says',
    why: 'PM2 does not apply a changed number of instances, neither on reload nor on restart',
    source: 'Unitech/pm2#4942, #3218; tried: 2 to 4 stayed 2',
    needs: ['pm2', 'ecosystem'],
    run: ({ pm2, ecosystem }) => {
      const instances = instancesOf(pm2, APPS.cluster);
      if (instances.length === 0) return ok('PM2 runs none');
      const { workers, leastWorkers = workers } = ecosystem;
      const isInRange = instances.length >= leastWorkers && instances.length <= workers;
      if (!ecosystem.preload || isInRange) return ok(`${instances.length} of ${workersOf(ecosystem)}`);
      return warning(
        `PM2 runs ${instances.length}, the file says ${workersOf(ecosystem)}`,
        // What follows the load also mends this.
        leastWorkers < workers ? `pm2 logs ${APPS.scale}` : `pm2 scale ${APPS.cluster} ${workers}`,
      );
    },
  }),
  check({
    id: 'pm2.environment',
    title: 'The running apps have the file’s settings',
    why: 'PM2 keeps what an app was started with: restart by name does not read the file again',
    source: 'pm2/lib/God/ActionMethods.js; Unitech/pm2#3486, #3742',
    needs: ['pm2', 'ecosystem'],
    run: ({ pm2, ecosystem }) => {
      const running = ecosystem.apps.filter(({ name }) => instancesOf(pm2, name ?? '').length > 0);
      if (running.length === 0) return ok('none of them runs');
      const differing = environmentDiffers(pm2, ecosystem);
      return differing.length === 0
        ? ok(`so have ${running.map(({ name }) => name).join(', ')}`)
        : warning(`not as in the file: ${differing.join(', ')}`, `pm2 start ${ecosystem.path}`);
    },
  }),
  check({
    id: 'pm2.left-over',
    title: 'No setting is left over from an earlier file or a shell',
    why: 'PM2 copies the shell’s environment into each app, and keeps variables that the file no longer has',
    source: 'pm2/lib/Common.js; Unitech/pm2#3192; tried: filter_env does nothing',
    needs: ['pm2', 'ecosystem', 'interpreter', 'installation'],
    run: ({ pm2, ecosystem, interpreter, installation }) => {
      if ([APPS.preload, APPS.cluster].every((name) => instancesOf(pm2, name).length === 0))
        return ok('PM2 runs nothing of it');
      const names = leftOver(pm2, ecosystem, interpreter.probe.variables, installation.envFile);
      return names.length === 0
        ? ok('none is')
        : warning(
            `PM2 hands ${names.join(', ')} to the preload process, and the file does not`,
            `pm2 delete ${APPS.cluster} ${APPS.preload}; unset ${names.join(' ')}; pm2 start ${ecosystem.path}`,
          );
    },
  }),
  check({
    id: 'pm2.restarts',
    title: 'Workers do not die again and again',
    why: 'each death loses the requests that the worker held',
    source: 'pm2 list, restarts',
    needs: ['pm2', 'ecosystem'],
    run: ({ pm2, ecosystem }) => {
      const often = ecosystem.apps
        .flatMap(({ name }) => instancesOf(pm2, name ?? ''))
        .filter(({ pm2_env }) => pm2_env.restart_time > MANY_RESTARTS);
      return often.length === 0
        ? ok(`PM2 counts no more than ${MANY_RESTARTS} restarts of any of its apps`)
        : often.map(({ name, pm_id, pm2_env }) =>
            warning(
              `${name} (${pm_id}) was restarted ${pm2_env.restart_time} times`,
              `pm2 logs ${name} says why; pm2 reset ${name} sets the count back`,
            ),
          );
    },
  }),
  check({
    id: 'pm2.saved',
    title: 'PM2 has saved what runs',
    why: 'after a boot PM2 brings back what was saved last: old apps, or none',
    source: 'pm2/lib/API/Startup.js; Unitech/pm2#5591',
    needs: ['pm2', 'ecosystem'],
    run: ({ pm2: { processes, saved, unit }, ecosystem }) => {
      const names = ecosystem.apps.map(({ name }) => name ?? '');
      const running = names.filter((name) => processes?.some((app) => app.name === name));
      if (running.length === 0) return ok('nothing of it runs');
      const lacking = running.filter((name) => !saved?.names.includes(name));
      if (lacking.length === 0) return ok(`${saved?.path} names ${running.join(', ')}`);
      const found = saved
        ? `${saved.path} lacks ${lacking.join(', ')}`
        : `nothing is saved${unit ? '' : ', and PM2 does not start at boot'}`;
      const finding = unit ? warning(found, 'pm2 save') : note(found, 'pm2 startup, and pm2 save');
      return unit ? { ...finding, fix: { kind: 'pm2 save' } } : finding;
    },
  }),
  check({
    id: 'pm2.boot',
    title: 'At boot PM2 starts after the databases',
    why: 'its unit only says After=network.target: the first attempts fail while PostgreSQL still recovers',
    source: 'pm2/lib/templates/init-scripts/systemd.tpl',
    needs: ['pm2', 'services', 'plan'],
    run: ({ pm2: { unit }, services: { colocated = [] }, plan: { embedded = [] } }) => {
      if (!unit?.path.endsWith('.service')) return ok('systemd does not start it');
      // Those that PM2 itself runs have no unit.
      const ours = embedded.map(({ name }) => EMBEDDED[name]);
      const wanted = colocated.flatMap(({ name }) => (ours.includes(name) ? [] : (UNITS[name] ?? [])));
      const lacking = wanted.filter(([, pattern]) => !pattern.test(unit.text));
      if (lacking.length === 0) return ok(unit.path);
      const names = lacking.map(([name]) => name).join(' ');
      return note(
        `${unit.path} does not wait for ${names}; the preload process does`,
        `systemctl edit $(basename ${unit.path}): [Unit] After=${names}`,
      );
    },
  }),
  check({
    id: 'pm2.logs',
    title: 'Logs do not fill the disk',
    why: 'PM2 never shortens a log by itself',
    source: 'Unitech/pm2#1415; pm2/lib/templates/logrotate.d/pm2',
    needs: ['pm2'],
    uses: ['ecosystem'],
    run: ({ pm2: { rotation, logBytes, home, processes }, ecosystem }) => {
      const now = `${home}/logs holds ${formatBytes(logBytes)}`;
      if (rotation && rotation.problem === undefined) {
        const { by, schedule } = rotation;
        return ok(`${by} shortens them${schedule === undefined ? '' : ` (${schedule})`}; ${now}`);
      }
      const start = ecosystem && `pm2 start ${ecosystem.path} --only ${APPS.logrotate}`;
      const hasOwn = ecosystem?.apps.some(({ name }) => name === APPS.logrotate) ?? false;
      if (rotation) {
        const mend = hasOwn && start ? `pm2 delete ${rotation.by}; ${start}` : `pm2 restart ${rotation.by}`;
        return warning(`${rotation.by} does not shorten them, as ${rotation.problem}; ${now}`, mend);
      }
      if (hasOwn && start && processes?.length) {
        return warning(`the file has ${APPS.logrotate}, and PM2 does not run it; ${now}`, start);
      }
      const found = `nothing that shortens logs was found: neither an app of PM2’s nor a file of logrotate’s; ${now}`;
      const mend = ['pm2 install pm2-logrotate', 'or logrotate: pm2/lib/templates/logrotate.d/pm2'];
      return logBytes > MANY_LOGS ? warning(found, ...mend) : note(found, ...mend);
    },
  }),
];

/** Units of the services on this machine, and the names in After= that mean them. */
const UNITS: Readonly<Record<string, readonly (readonly [string, RegExp])[]>> = {
  PostgreSQL: [['postgresql.service', /^After=.*postgresql/m]],
  Redis: [['redis-server.service', /^After=.*(?:redis|valkey)/m]],
};

const EMBEDDED: Readonly<Record<string, string>> = {
  [SERVICE_APPS.postgres]: 'PostgreSQL',
  [SERVICE_APPS.valkey]: 'Redis',
};

function isOlder(version: string): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  for (const [index, least] of OLDEST.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}
