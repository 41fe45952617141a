import { check, error, ok } from '../check.ts';

export const unfinishedChecks = [
  check({
    id: 'files.unfinished',
    title: 'No backup, restore or upgrade is half done',
    why: 'until it is completed or undone, the service may be down, and its data in two places',
    source: 'journal.json in $XDG_DATA_HOME/webui-tune',
    needs: ['unfinished'],
    run: ({ unfinished: { what } }) =>
      what === undefined
        ? ok('nothing is')
        : error(what, 'webui-tune resume, unless that command still runs'),
  }),
];
