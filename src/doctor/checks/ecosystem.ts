import { appsOf } from '../../render/apps.ts';
import { APPS, ENV, EXIT_CANNOT_BOOT, SUPERVISOR_END_SECONDS } from '../../runtime/contract.ts';
import { check, error, note, ok, warning } from '../check.ts';
import { type EcosystemApp, type EcosystemFile, workersOf } from '../read/ecosystem.ts';

const REWRITE = 'write the file anew: webui-tune --out FILE --force; then pm2 delete and pm2 start FILE';

/** Milliseconds: a boot took 12 to 33 s on two cores, and three times as much is safe. */
const LEAST_LISTEN_TIMEOUT = 100_000;
const LEAST_MIN_UPTIME = 30_000;

export const ecosystemChecks = [
  check({
    id: 'ecosystem.loads',
    title: 'PM2 can load the ecosystem file',
    why: 'pm2 start fails, or runs the file as a program',
    source: 'pm2/lib/Common.js, isConfigFile and parseConfig; Unitech/pm2#5337',
    needs: ['ecosystem'],
    about: 'ecosystem',
    run: ({ ecosystem }) =>
      ok(
        `${ecosystem.path}: ${ecosystem.apps.map(({ name }) => name).join(', ')}; ${workersOf(ecosystem)} workers`,
      ),
  }),
  check({
    id: 'ecosystem.shape',
    title: 'Its apps are what the runtime needs',
    why: 'in another mode pm2 reload stops the old worker before the new one serves, or workers die with the preload',
    source: 'pm2/lib/God/Reload.js; pm2/lib/TreeKill.js; docs/how-it-works.md',
    needs: ['ecosystem'],
    run: ({ ecosystem: { cluster, preload } }) => {
      if (!preload) return ok('Open WebUI’s own server and workers');
      const wrong = [
        ...(cluster.exec_mode === 'cluster' ? [] : [`${APPS.cluster} is not in cluster mode`]),
        ...(cluster.treekill === false ? [] : [`${APPS.cluster} lacks treekill: false`]),
        ...(preload.treekill === false ? [] : [`${APPS.preload} lacks treekill: false`]),
        ...(preload.exec_mode === 'cluster' ? [`${APPS.preload} is in cluster mode`] : []),
      ];
      return wrong.length === 0 ? ok('cluster mode, and no treekill') : error(wrong.join('; '), REWRITE);
    },
  }),
  check({
    id: 'ecosystem.timeouts',
    title: 'PM2 waits long enough',
    why: 'when listen_timeout runs out PM2 stops the old worker though the new one does not serve; kill_timeout cuts answers',
    source: 'pm2/lib/God.js; pm2/lib/God/Reload.js; Unitech/pm2#3078',
    needs: ['ecosystem'],
    run: ({ ecosystem: { cluster, preload } }) => {
      if (!preload) return ok('nothing is reloaded');
      const drain = Number(cluster.env?.[ENV.drainSeconds] ?? 0) * 1000;
      const wrong = [
        ...(cluster.wait_ready === true ? [] : ['wait_ready is not on']),
        ...(Number(cluster.listen_timeout ?? 3000) >= LEAST_LISTEN_TIMEOUT
          ? []
          : [`listen_timeout is ${cluster.listen_timeout ?? 3000} ms, less than ${LEAST_LISTEN_TIMEOUT}`]),
        ...(Number(cluster.kill_timeout ?? 1600) >= drain + SUPERVISOR_END_SECONDS * 1000
          ? []
          : [`kill_timeout is ${cluster.kill_timeout ?? 1600} ms, and a worker may drain for ${drain}`]),
      ];
      return wrong.length === 0 ? ok('for a start, and for a drain') : error(wrong.join('; '), REWRITE);
    },
  }),
  check({
    id: 'ecosystem.crash-loop',
    title: 'A start that fails is not repeated endlessly',
    why: 'PM2 counts deaths within min_uptime only, one second by default: a boot that fails after 20 s is repeated endlessly',
    source: 'pm2/lib/God.js, handleExit; Unitech/pm2#1676',
    needs: ['ecosystem'],
    run: ({ ecosystem: { cluster, preload } }) => {
      const app = preload ?? cluster;
      const codes = [app, cluster].flatMap(({ stop_exit_codes }) =>
        [stop_exit_codes ?? []].flat().map(Number),
      );
      const wrong = [
        ...(Number(app.min_uptime ?? 0) >= LEAST_MIN_UPTIME ? [] : [`${app.name} has no min_uptime`]),
        ...(Number(app.max_restarts ?? 0) > 0 ? [] : [`${app.name} has no max_restarts`]),
        ...(codes.includes(EXIT_CANNOT_BOOT) ? [] : [`no app stops at exit code ${EXIT_CANNOT_BOOT}`]),
        ...(codes.includes(0) ? ['exit code 0 counts as a wanted end'] : []),
      ];
      return wrong.length === 0
        ? ok('min_uptime, max_restarts and stop_exit_codes')
        : warning(wrong.join('; '), REWRITE);
    },
  }),
  check({
    id: 'ecosystem.memory-limit',
    title: 'PM2 does not restart workers for memory that they share',
    why: 'max_memory_restart looks at RSS, which counts the shared pages in every worker: PM2 would restart them endlessly',
    source: 'pm2/lib/Worker.js; measured: 627 MiB RSS where 67 are a worker’s own',
    needs: ['ecosystem'],
    uses: ['plan'],
    run: ({ ecosystem: { cluster, preload }, plan }) => {
      if (cluster.max_memory_restart !== undefined || preload?.max_memory_restart !== undefined) {
        return error(
          'max_memory_restart is set',
          'take it away: the supervisors watch each worker’s own memory',
        );
      }
      const limit = Number(cluster.env?.[ENV.memoryLimit] ?? Number.POSITIVE_INFINITY);
      const worker = (plan?.memory.worker ?? 0) / 2 ** 20;
      return limit > worker
        ? ok(Number.isFinite(limit) ? `a worker is replaced at ${limit} MiB of its own` : 'no limit')
        : error(`a worker starts with ${Math.round(worker)} MiB, and its limit is ${limit} MiB`, REWRITE);
    },
  }),
  check({
    id: 'ecosystem.schema',
    title: 'PM2 knows every key of the file',
    why: 'PM2 silently ignores a key that it does not know',
    source: 'pm2/lib/API/schema.json',
    needs: ['ecosystem'],
    run: ({ ecosystem: { faults } }) =>
      faults.length === 0 ? ok('it does') : warning(faults.join('; '), REWRITE),
  }),
  check({
    id: 'ecosystem.current',
    title: 'The file matches a plan made today',
    why: 'it was made for other settings, another machine or another version of webui-tune',
    source: 'webui-tune --json',
    needs: ['ecosystem', 'plan'],
    run: ({ ecosystem, plan }) => {
      const differing = differences(ecosystem, appsOf(plan));
      if (differing.length === 0) return ok('it is, apart from numbers that follow free memory');
      return note(`it differs in ${differing.join(', ')}`, REWRITE);
    },
  }),
  check({
    id: 'ecosystem.program',
    title: 'The programs that the file names exist',
    why: 'if a virtual environment or a cache was removed, the next restart fails, maybe weeks later',
    source: 'pm2/lib/Common.js, sink.resolveInterpreter',
    needs: ['ecosystem'],
    uses: ['isOfUp'],
    run: ({ ecosystem: { missing }, isOfUp }) =>
      missing.length === 0
        ? ok('scripts and interpreters are')
        : error(`there is no ${missing.join(', no ')}`, isOfUp ? 'webui-tune up installs it again' : REWRITE),
  }),
];

/** Names of keys and variables that differ, without the numbers of the plan that change from hour to hour. */
function differences(file: EcosystemFile, planned: readonly EcosystemApp[]): string[] {
  const names = new Set<string>();
  for (const app of planned) {
    const there = file.apps.find(({ name }) => name === app.name);
    if (!there) {
      names.add(`the app ${app.name}`);
      continue;
    }
    const { env = {}, ...keys } = app;
    const { env: envThere = {}, ...keysThere } = there;
    for (const key of namesThatDiffer(keys, keysThere)) names.add(key);
    for (const name of namesThatDiffer(env, envThere)) if (!UNSTEADY.has(name)) names.add(name);
  }
  return [...names];
}

/** These numbers follow free memory, free connections and what was observed. */
const UNSTEADY: ReadonlySet<string> = new Set([
  ENV.planned,
  ENV.memoryLimit,
  ENV.documents,
  ENV.documentMemory,
  ENV.computed,
  'DATABASE_POOL_SIZE',
  'DATABASE_POOL_MAX_OVERFLOW',
  'PGVECTOR_POOL_SIZE',
  'THREAD_POOL_SIZE',
]);

function namesThatDiffer(ours: object, theirs: object): string[] {
  const [a, b] = [new Map(Object.entries(ours)), new Map(Object.entries(theirs))];
  return [...new Set([...a.keys(), ...b.keys()])].filter(
    (name) => JSON.stringify(a.get(name)) !== JSON.stringify(b.get(name)),
  );
}
