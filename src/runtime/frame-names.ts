/**
 * What passes over the control socket, and over the sockets of supervisors: a part of the contract (contract.ts). A frame is
 * a JSON object on a line of its own (supervisor/frames.ts, preload/webui_preload/protocol.py).
 */

/** Connections on which a worker is served: what it hears and says, and its output. */
export const STREAMS = ['control', 'stdout', 'stderr'] as const;

/** Bytes of the longest frame that is taken; the longest that is sent, a report on two workers, has less than 4 KiB. */
export const LONGEST_FRAME = 16 * 1024;

/** What a connection is for: the `role` of its first frame. */
export const ROLES = {
  /** Supervisor to preload process, with its `instance`, and whether a worker of it is `serving`. */
  supervisor: 'supervisor',
  /** Becomes the `stream` of a worker. To the preload process: of the `worker`. To a supervisor: of a worker that moves there. */
  channel: 'channel',
  /** Worker to preload process: the listening socket comes along. */
  listener: 'listener',
  /** Worker to preload process: it waits for the end of the `job`, which is a document (preload/webui_preload/documents/). */
  document: 'document',
  /** Supervisor to supervisor: the worker is to move to the socket at `path`, because of `reason`. */
  adopt: 'adopt',
  /** Anybody to a supervisor: its report is the answer. */
  watch: 'watch',
} as const;

/** The `type` of every later frame. A `worker` is `PID-NUMBER`: its supervisor's process id and count. */
export const FRAMES = {
  /** Preload process to supervisor: its `pid`, `generation`, `version` of Open WebUI, and the `level` that is preloaded. */
  welcome: 'welcome',
  /** Supervisor to preload process: a `worker`, which `replaces` another or does not, and drains for `drainSeconds` at most. */
  fork: 'fork',
  /** The answer: the `pid` of the `worker`. */
  forked: 'forked',
  /** Preload process to supervisor: the `worker` ended with this `code`, or by this `signal`. */
  exited: 'exited',
  /** Supervisor to preload process: the `worker` is not wanted any more. */
  cancel: 'cancel',
  /** Supervisor to preload process: the worker that this `worker` replaces has ended. */
  replaced: 'replaced',
  /** Worker to supervisor: it serves; its `pid`, and its `identity` in digests. Supervisor to preload process: the `worker` does. */
  ready: 'ready',
  /**
   * Worker to supervisor: its event loop turns; counts of its work come along (supervisor/report.ts, WorkerStats). Preload
   * process to supervisor: it can fork.
   */
  beat: 'beat',
  /** Supervisor to worker: leave. */
  drain: 'drain',
  /** Worker to supervisor: it takes no more connections; the counts again. */
  draining: 'draining',
  /** Preload process to supervisor, and on to its worker: hand over the listening socket. */
  offer: 'offer',
  /** Supervisor to worker: go to the supervisor that listens at `path`. */
  move: 'move',
  /** The new supervisor to the worker: it has all three streams. */
  taken: 'taken',
  /** Worker to its former supervisor: it has gone. */
  moved: 'moved',
  /** Preload process to worker: as many jobs, this one included, come before its end (`place`); 0: its turn has come. */
  place: 'place',
  /** The answer to that: the worker writes no more about the document, which may begin. */
  go: 'go',
  /** Preload process to worker: the job has ended; `reason`: why its process ended before. */
  ended: 'ended',
} as const;
