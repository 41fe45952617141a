import type { Progress as Shown } from '../../base/io/progress.ts';
import { formatBytes } from '../../base/units.ts';
import type { Progress } from './messages.ts';

/** Seconds of work after which the rest can be estimated. */
const LEAST_SECONDS = 2;

/** What is done, of how much, and how long the rest takes. `seconds`: since it began. */
export function progressText({ step, done, total, unit, table }: Progress, seconds: number): string {
  const count = (value: number) =>
    unit === 'bytes' ? formatBytes(value) : Math.round(value).toLocaleString('en');
  const what = table === undefined ? step : `${step}, ${table}`;
  const share = total > 0 ? ` ${count(done)} of ${count(total)}${unit === 'bytes' ? '' : ` ${unit}`}` : '';
  const left = seconds >= LEAST_SECONDS && done > 0 && done < total ? (seconds / done) * (total - done) : 0;
  return `${what}:${share}${left > 0 ? `, ${formatSeconds(left)} left` : ''}`;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** Shows the progress of one command of the Python half. On a terminal, which has one line for it, only while `hasLine`. */
export function showProgress(shown: Shown, name: string, hasLine = () => true): (progress: Progress) => void {
  const began = new Map<string, number>();
  let told = -1;
  return (progress) => {
    if (!began.has(progress.step)) began.set(progress.step, performance.now());
    const seconds = (performance.now() - (began.get(progress.step) ?? 0)) / 1000;
    const share = progress.total > 0 ? progress.done / progress.total : 0;
    // Where nobody watches, each text is a line: one for every twentieth.
    const part = Math.floor(share * 20);
    if (process.stderr.isTTY ? !hasLine() : part === told) return;
    told = part;
    shown.tell({ step: name, text: progressText(progress, seconds), share });
  };
}
