/** All events, in the order in which they are run and shown. */
import type { ChaosEvent } from '../event.ts';
import { killAnyWorker } from './kill-worker.ts';
import { reload } from './reload.ts';

export const EVENTS: readonly ChaosEvent[] = [reload, killAnyWorker];
