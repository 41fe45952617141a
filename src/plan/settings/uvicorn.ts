import type { SettingsGroup } from './group.ts';

/**
 * uvicorn's own workers (uvicorn/supervisors/multiprocess.py, 0.54.0). By default uvicorn kills a worker that does not answer it
 * for 5 s. An import of Open WebUI on a busy machine takes longer to answer, and so does a document of 600 pages (9 to 13 s
 * were measured): workers were killed again and again, and the document with them. uvicorn's reload (SIGHUP) gives up
 * after this time too, and no import is ready within 5 s.
 */
export const uvicornGroup: SettingsGroup = {
  keys: ['UVICORN_TIMEOUT_WORKER_HEALTHCHECK'],
  recommend: ({ uvicornWorkers }) =>
    uvicornWorkers > 1
      ? [
          {
            key: 'UVICORN_TIMEOUT_WORKER_HEALTHCHECK',
            // Four imports at once on two cores took 33 s, and a worker is seldom silent for all of its import.
            value: '60',
            reason:
              'seconds that a worker may be silent before uvicorn kills it: with 5, those that import are killed',
          },
        ]
      : [],
};
