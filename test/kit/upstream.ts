export * from '../../src/scratch/upstream.ts';
