export * from '../../src/client/open-webui.ts';
