export * from '../../src/bench/client/open-webui.ts';
