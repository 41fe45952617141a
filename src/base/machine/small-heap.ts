import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's heap small from now on, for a program that runs beside others for a while and computes little. A backup of 1.3 GiB
 * takes 54 MiB with it, and 106 without.
 *
 * V8 looks at both flags whenever it decides about its heap: whether the space of new objects grows (1: it does not), and
 * whether memory or speed counts (heap.cc, new-spaces.cc: ShouldOptimizeForMemoryUsage, NewSpace::Grow).
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--optimize-for-size');
}
