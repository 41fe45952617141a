/** The load during every event: API calls over kept-alive connections, chats in generation, idle WebSockets. */
import { randomUUID } from 'node:crypto';
import { type Load, startLoad } from '../src/bench/client/load.ts';
import type { OpenWebui } from '../src/bench/client/open-webui.ts';
import type { Cluster } from '../test/kit/cluster.ts';
import { Chats } from './chats.ts';
import { IdleSockets } from './sockets.ts';

const CONNECTIONS = 12;
const CHATS = 5;
const SOCKETS = 20;

/** The longest pause of an API client. Without pauses, 12 clients leave no CPU time for the event itself. */
const PAUSE_MS = 50;

/** The test looks for lost requests, not for requests that are slow on a busy machine. */
const LOST_AFTER_MS = 30_000;

/** An answer takes 3 s: longer than a worker needs to be replaced, shorter than its drain time. */
const PACE = { tokens: 60, pauseMs: 50 };

/** Number of answers before an event begins. */
const WARM_UP = 50;

export interface ChaosReport {
  /** API calls and questions in chats. */
  requests: number;
  failed: number;
  /** Requests whose connection was refused. */
  refused: number;
  /** Failures on connections that were not abandoned. */
  unexpected: string[];
  answers: number;
  /** Answers to accepted questions that never became complete, without abandoned ones. */
  cut: string[];
  reconnected: number;
  socketsLost: number;
  worstMs: number;
}

export class ChaosLoad {
  readonly #calls: Load;
  readonly #chats: Chats;
  readonly #sockets: IdleSockets;
  readonly #givenUp = new Set<number>();

  private constructor(calls: Load, chats: Chats, sockets: IdleSockets) {
    this.#calls = calls;
    this.#chats = chats;
    this.#sockets = sockets;
  }

  static async start(cluster: Cluster, ui: OpenWebui): Promise<ChaosLoad> {
    cluster.services.upstream.pace = PACE;
    // Their user does not chat, because the tokens of an answer go to every open page of its user.
    const silent = await ui.addUser(`silent-${randomUUID()}`);
    const sockets = await IdleSockets.open(silent, SOCKETS);
    const url = `${cluster.url}/api/v1/chats/?page=1`;
    const calls = startLoad({
      url,
      headers: ui.headers,
      connections: CONNECTIONS,
      pauseMs: PAUSE_MS,
      timeoutMs: LOST_AFTER_MS,
    });
    const load = new ChaosLoad(calls, new Chats(cluster, ui, CHATS), sockets);
    await load.proceed(WARM_UP);
    return load;
  }

  /** Waits until so many additional API calls are answered. */
  proceed(answers: number): Promise<void> {
    return this.#calls.proceed(answers, 120_000);
  }

  /** Requests on these connections may be lost, because their worker is about to be killed. */
  giveUp(ports: Set<number>): void {
    for (const port of ports) this.#givenUp.add(port);
    this.#chats.giveUp(ports);
  }

  async stop(): Promise<ChaosReport> {
    const [calls, chats, sockets] = await Promise.all([
      this.#calls.stop(),
      this.#chats.stop(),
      this.#sockets.stop(),
    ]);
    const failed = [...calls.failedRequests, ...chats.refusedQuestions];
    return {
      requests: calls.answered + calls.failed + chats.asked + chats.refusedQuestions.length,
      failed: failed.length,
      refused: failed.filter(({ problem }) => problem.includes('ECONNREFUSED')).length,
      unexpected: failed
        .filter(({ port }) => port === undefined || !this.#givenUp.has(port))
        .map(({ problem }) => problem),
      answers: chats.whole + chats.cut.length,
      cut: chats.cut,
      reconnected: sockets.reconnected,
      socketsLost: sockets.lost,
      worstMs: calls.worstMs,
    };
  }
}
