export * from '../../src/client/http.ts';
