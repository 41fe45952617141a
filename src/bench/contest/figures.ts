/** What is measured of every contender. */

export interface FigureAbout {
  title: string;
  unit: string;
  /** Which way is better. */
  better: 'more' | 'less';
  /** What it is, in a sentence. */
  about: string;
}

/** In the order of the report. */
export const FIGURES = {
  visitsPerSecond: {
    title: 'First visits',
    unit: '1/s',
    better: 'more',
    about:
      'all requests of a browser’s first visit, up to the login form, as often as they fit into a second',
  },
  visitCpuMs: {
    title: 'Worker CPU of a first visit',
    unit: 'ms',
    better: 'less',
    about: 'CPU time of all workers, divided by the visits',
  },
  visitP50Ms: {
    title: 'A file of a visit, p50',
    unit: 'ms',
    better: 'less',
    about: 'half of the requests of a visit were answered in this time',
  },
  visitP99Ms: { title: 'A file of a visit, p99', unit: 'ms', better: 'less', about: '99 % of them' },
  visitP999Ms: { title: 'A file of a visit, p99.9', unit: 'ms', better: 'less', about: '99.9 % of them' },
  apiPerSecond: {
    title: 'API requests',
    unit: '1/s',
    better: 'more',
    about: 'the API calls of a page that somebody opens anew, and of a chat, in turns',
  },
  apiCpuMs: {
    title: 'Worker CPU of an API request',
    unit: 'ms',
    better: 'less',
    about: 'CPU time of all workers, divided by the requests',
  },
  apiP50Ms: { title: 'API request, p50', unit: 'ms', better: 'less', about: 'half of them in this time' },
  apiP99Ms: { title: 'API request, p99', unit: 'ms', better: 'less', about: '99 % of them' },
  apiP999Ms: { title: 'API request, p99.9', unit: 'ms', better: 'less', about: '99.9 % of them' },
  chatsPerSecond: {
    title: 'Chats',
    unit: '1/s',
    better: 'more',
    about: 'questions whose streamed answer came whole over the WebSocket',
  },
  chatFirstP50Ms: {
    title: 'First words of an answer, p50',
    unit: 'ms',
    better: 'less',
    about: 'from the question until the first piece of the answer is at the page',
  },
  chatFirstP99Ms: { title: 'First words of an answer, p99', unit: 'ms', better: 'less', about: 'the same' },
  tokenCpuMs: {
    title: 'Worker CPU of a streamed token',
    unit: 'ms',
    better: 'less',
    about: 'CPU time of all workers, divided by the tokens of 20 chats, 50 a second each',
  },
  readers: {
    title: 'Chats at 50 tokens a second',
    unit: 'chats',
    better: 'more',
    about: 'as many as there can be, in steps of 20 up to 160, until 1 % of the tokens come 200 ms late',
  },
  documentsSeconds: {
    title: 'Twelve documents',
    unit: 's',
    better: 'less',
    about:
      'PDF, DOCX, XLSX, PPTX, HTML and text of 3 and 60 pages, uploaded together: until all can be searched',
  },
  besideP99Ms: {
    title: 'API request beside documents, p99',
    unit: 'ms',
    better: 'less',
    about: '99 % of the requests for the list of chats by four people, until the documents can be searched',
  },
  standstillMs: {
    title: 'Standstill beside documents',
    unit: 'ms',
    better: 'less',
    about: 'the longest that the lightest request of all had to wait meanwhile',
  },
  socketMs: {
    title: 'WebSocket',
    unit: 'ms',
    better: 'less',
    about: 'from opening one until it has joined its user’s room; median of the pages of a round',
  },
  memoryMib: {
    title: 'Memory of the whole tree',
    unit: 'MiB',
    better: 'less',
    about: 'PSS of every process, supervisors and PM2’s daemon included, after the load',
  },
  startSeconds: {
    title: 'Start until all workers serve',
    unit: 's',
    better: 'less',
    about: 'until every worker has answered a request',
  },
  recoverSeconds: {
    title: 'Back after kill -9 of a worker',
    unit: 's',
    better: 'less',
    about: 'until the one in its place has answered a request',
  },
  reloadLost: {
    title: 'Requests lost in a reload',
    unit: 'requests',
    better: 'less',
    about: 'refused, cut, or without an answer for 10 s, while the workers are replaced under load',
  },
  reloadSeconds: {
    title: 'Reload',
    unit: 's',
    better: 'less',
    about: 'until all former workers are gone and the new ones have answered',
  },
} as const satisfies Record<string, FigureAbout>;

export type FigureId = keyof typeof FIGURES;

export const FIGURE_IDS = Object.keys(FIGURES) as FigureId[];

/** Samples by figure; a figure that could not be taken is missing. */
export type Figures = Partial<Record<FigureId, number[]>>;
