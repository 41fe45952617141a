/** What a browser asks for, as data: recorded once (bench/visits/record.ts), replayed for figures. */
import recording from './recording.json' with { type: 'json' };

export interface RecordedRequest {
  method: string;
  /** With its query. */
  path: string;
  /** As sent, without host, user agent, cookies and credentials. */
  headers: Record<string, string>;
  /** Whether it carried the user's token. */
  authorized: boolean;
  body?: string;
}

/** The parts of a visit, each in the order in which Chromium asked. */
export interface Recording {
  openWebui: string;
  browser: string;
  /** The first visit, with an empty cache, of somebody who is not signed in: up to the login form. */
  first: RecordedRequest[];
  /** From there to the page in which one asks: signing in. */
  signIn: RecordedRequest[];
  /** The page opened anew by somebody who is signed in; its hashed files are in the browser's cache. */
  return: RecordedRequest[];
  /** One question, until its answer is there; the answer itself comes over the WebSocket. */
  chat: RecordedRequest[];
}

export function readRecording(): Recording {
  // Each request has headers of its own, which is more than the compiler's type of the file can say.
  return recording as unknown as Recording;
}

/** Whether it is one of the files whose names hold their hash. */
export function isHashed({ path }: RecordedRequest): boolean {
  return path.startsWith('/_app/immutable/');
}

/** The API calls of a page that somebody opens anew, made by the user with that id. */
export function apiCalls({ return: requests }: Recording, userId: string): RecordedRequest[] {
  return requests
    .filter(({ path }) => path.startsWith('/api/'))
    .map((request) => ({
      ...request,
      path: request.path.replace(/\/users\/[0-9a-f-]{36}\//, `/users/${userId}/`),
    }));
}

/** The API calls around a question, the question itself aside; of the chat with that id. */
export function chatCalls({ chat }: Recording, chatId: string): RecordedRequest[] {
  return chat
    .filter(({ method, path }) => method === 'GET' && path.startsWith('/api/'))
    .map((request) => ({
      ...request,
      path: request.path.replace(/\/chats\/[0-9a-f-]{36}$/, `/chats/${chatId}`),
    }));
}
