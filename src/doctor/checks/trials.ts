import { APPS, TRIALS } from '../../runtime/contract.ts';
import { check, error, type Finding, note, ok, warning } from '../check.ts';
import type { Facts } from '../facts.ts';
import type { TrialFacts } from '../read/trials.ts';
import { modelMends } from './models.ts';

type Answers = TrialFacts['workers'][number];

const IN_THE_BROWSER = 'in the administration settings, Documents';

const RESTART = `pm2 restart ${APPS.preload}`;

export const trialChecks = [
  check({
    id: 'cluster.embeds',
    title: 'Every worker embeds a sentence',
    why: 'uploads and questions about documents fail in a worker that cannot, while the chat works',
    source:
      'open_webui/main.py, EMBEDDING_FUNCTION; tried just now in each worker, with Open WebUI’s own code and settings',
    needs: ['trials'],
    about: 'trials',
    uses: ['models', 'isOfUp'],
    run: ({ trials, models, isOfUp }) => {
      const tried = trials.workers.flatMap(({ pid, embedded }) => (embedded ? [{ ...embedded, pid }] : []));
      if (tried.every(({ bypassed }) => bypassed) && tried.some((one) => one.error !== undefined))
        return ok('none is asked to: documents are not embedded (BYPASS_EMBEDDING_AND_RETRIEVAL)');
      const findings = [
        ...failuresOf(tried, 'cannot embed a sentence', ({ engine }) =>
          engine === ''
            ? localMends(models, isOfUp)
            : [`start ${engine}, or mend its address, key or model ${IN_THE_BROWSER}`],
        ),
        ...unasked(trials, 'embedded'),
      ];
      const done = tried.filter((one) => one.error === undefined);
      const sizes = [...new Set(done.map(({ dimensions }) => dimensions))];
      if (sizes.length > 1) {
        findings.push(
          error(
            `they embed with several models: ${done.map(({ pid, dimensions }) => `worker ${pid} in ${dimensions} dimensions`).join(', ')}`,
            `pm2 reload ${APPS.cluster}`,
          ),
        );
      }
      if (findings.length > 0) return findings;
      const [first] = done;
      const by = first?.engine ? `by ${first.engine}` : `with ${first?.model}`;
      return ok(
        `${all(done)} embedded one ${by}: ${first?.dimensions} dimensions, within ${slowest(done)} ms`,
      );
    },
  }),
  check({
    id: 'cluster.reads',
    title: 'Every worker reads a document',
    why: 'an upload that cannot be read ends with an error, and no question finds it',
    source:
      'open_webui/retrieval/loaders/main.py; tried just now in each worker with a page of HTML, which is not kept',
    needs: ['trials'],
    run: ({ trials }) => {
      const tried = trials.workers.flatMap(({ pid, read }) => (read ? [{ ...read, pid }] : []));
      const untried = tried.find((one) => one.untried);
      if (untried) return note(`not tried, as ${untried.engine} has a price for each page`);
      const findings = [
        ...failuresOf(tried, 'cannot read a page of HTML', ({ engine }) => [
          engine === ''
            ? `pm2 logs ${APPS.cluster} says more`
            : `start ${engine}, or mend its address or key ${IN_THE_BROWSER}`,
        ]),
        ...unasked(trials, 'read'),
      ];
      if (findings.length > 0) return findings;
      const by = tried[0]?.engine ? `by ${tried[0].engine}` : 'by itself';
      return ok(`${all(tried)} read a page of HTML ${by}, within ${slowest(tried)} ms`);
    },
  }),
];

const all = ({ length }: readonly unknown[]) =>
  length === 1 ? 'the one worker' : `each of ${length} workers`;
const slowest = (tried: readonly { ms: number }[]) => Math.max(0, ...tried.map(({ ms }) => ms));
const namesOf = (pids: readonly number[]) => pids.map((pid) => `worker ${pid}`).join(', ');

/** One finding for all workers with the same error. */
function failuresOf<T extends { pid: number; engine: string; error?: string | undefined; late: boolean }>(
  tried: readonly T[],
  cannot: string,
  mendsOf: (one: T) => readonly string[],
): Finding[] {
  const failed = new Map<string, T[]>();
  for (const one of tried)
    if (one.error !== undefined) failed.set(one.error, [...(failed.get(one.error) ?? []), one]);
  return [...failed].flatMap(([reason, [first, ...others]]) => {
    if (!first) return [];
    const who = namesOf([first, ...others].map(({ pid }) => pid));
    if (!first.late) return [error(`${who} ${cannot}: ${reason}`, ...mendsOf(first))];
    return [
      warning(
        `${who}: no answer within ${TRIALS.seconds} s`,
        'ask again: a model that is being loaded answers later',
        ...mendsOf(first),
      ),
    ];
  });
}

/** Workers that did not answer the question, and why. */
function unasked(
  { workers, unreached, opened }: TrialFacts,
  question: keyof Pick<Answers, 'embedded' | 'read'>,
): Finding[] {
  const strangers = workers.filter((worker) => worker[question] === undefined).map(({ pid }) => pid);
  return [
    ...(strangers.length === 0
      ? []
      : [
          note(
            `${namesOf(strangers)} does not know the question: it runs an earlier version, or has another WEBUI_SECRET_KEY`,
            RESTART,
          ),
        ]),
    ...(unreached.length === 0
      ? []
      : [
          warning(
            `${namesOf(unreached)} was not asked: it took none of ${opened} connections`,
            `pm2 reload ${APPS.cluster}`,
          ),
        ]),
  ];
}

/**
 * A worker has the models that the preload process had. One that came later reaches it when the preload process starts
 * again.
 */
function localMends(models: Facts['models'] | undefined, isOfUp = false): string[] {
  if (models && models.absent.length > 0) return ['see vectors.model'];
  const missing = models?.models.find(({ kind, here }) => kind === 'embedding' && !here);
  return models && missing
    ? modelMends(missing, models, isOfUp)
    : [`${RESTART}: its workers load the model anew`];
}
