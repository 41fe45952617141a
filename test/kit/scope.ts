export * from '../../src/io/scope.ts';
