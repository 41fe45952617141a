export * from '../../src/bench/scratch/upstream.ts';
