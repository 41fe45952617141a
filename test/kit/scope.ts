export * from '../../src/base/io/scope.ts';
