/** Tries to take a lock for each line of its stdin, as a process of its own: `lock-contender.ts LOCK`. */
import { closeSync, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { holdLock } from '../../src/base/io/lock.ts';

const [path = ''] = process.argv.slice(2);
const inside = `${path}.inside`;

/** Milliseconds. */
const HELD = 5;

for await (const _ of createInterface({ input: process.stdin })) {
  const answer = await holdLock(path, 'held', async () => {
    try {
      closeSync(openSync(inside, 'wx'));
    } catch {
      return 'beside another';
    }
    await sleep(HELD);
    rmSync(inside);
    return 'alone';
  }).catch((error: Error) => (error.message.startsWith('held') ? 'held' : error.message));
  process.stdout.write(`${answer}\n`);
}
