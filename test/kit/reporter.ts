/**
 * Why a test failed, as soon as it has: the run may be ended before its end. And the last lines of a run: what failed, in two
 * lines each, for of a long run often its end alone is kept; and `N passed, N failed, N skipped`, what a person or a script
 * looks for first.
 */
import { appendFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Characters: a failed start has logs of several processes in its message. */
const MOST = 12_000;
/** Characters of a message in the list at the end. */
const BRIEF = 300;

export default class FailuresAtOnce implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    if (state !== 'failed') return;
    for (const { message, diff, stack, cause } of errors ?? []) {
      const text = [message, diff, stack, cause?.message].filter(Boolean).join('\n').slice(0, MOST);
      process.stderr.write(`\nFAILED ${test.module.relativeModuleId} > ${test.fullName}\n${text}\n`);
    }
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state !== 'pending') counts[state] += 1;
        if (state !== 'failed') continue;
        const why = (errors?.[0]?.message ?? '').slice(0, BRIEF).replaceAll('\n', ' ');
        failures.push(`FAILED ${module.relativeModuleId} > ${test.fullName}\n  ${why}`);
      }
      // A file that did not load has no tests to count.
      if (module.errors().length > 0) counts.failed += 1;
    }
    process.stdout.write(`\n${failures.join('\n')}\n`);
    // scripts/check.mjs adds up several runs.
    const noted = process.env.WEBUI_TUNE_TEST_COUNTS;
    if (noted !== undefined) appendFileSync(noted, `${JSON.stringify(counts)}\n`);
    process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  }
}
