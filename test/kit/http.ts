export * from '../../src/bench/client/http.ts';
