/** Data of every kind, made through the API as by people who use the page (0.9.6 to 0.12.4). */
import { randomUUID } from 'node:crypto';
import { OpenWebui } from '../../../src/bench/client/open-webui.ts';
import { CHAT_MODEL } from '../../../src/bench/scratch/upstream.ts';
import { ADA, BEN, CLEO, DANA, DOCUMENT, type Person } from './people.ts';

interface WithId {
  id: string;
}

const TOOL = `class Tools:
    def dice(self, sides: int) -> int:
        """Throws a dice."""
        return 4
`;
const FUNCTION = `class Filter:
    def inlet(self, body: dict) -> dict:
        return body
`;

/** On an Open WebUI that is empty. */
export async function makeData(url: string): Promise<void> {
  const ada = await OpenWebui.signUp(url, ADA);
  const ids = new Map<Person, string>();
  for (const person of [BEN, CLEO, DANA]) {
    const { id } = await ada.call<WithId>('POST', '/api/v1/auths/add', person);
    ids.set(person, id);
  }
  const [ben, cleo] = await Promise.all([OpenWebui.signIn(url, BEN), OpenWebui.signIn(url, CLEO)]);
  const group = await makeGroup(ada, [...ids.values()].slice(0, 2));
  for (const [ui, person] of [
    [ada, ADA],
    [ben, BEN],
    [cleo, CLEO],
  ] as const) {
    await ui.call('POST', '/api/v1/auths/api_key');
    await makeChats(ui, person.name);
    await ui.call('POST', '/api/v1/memories/add', {
      content: `${person.name} lives in Windhaven, and likes tea.`,
    });
    await ui.call('POST', '/api/v1/notes/create', {
      title: `Note of ${person.name}`,
      data: { content: { md: 'one\n\n* two', html: '<p>one</p>', json: null } },
      access_grants: [],
    });
    await ui.call('POST', '/api/v1/users/user/settings/update', {
      ui: { theme: 'dark', version: '1', models: [CHAT_MODEL], widescreenMode: true },
    });
  }
  const knowledge = await makeKnowledge(ada, ben, group);
  await makeWorkspace(ada, group, knowledge);
  await makeChannel(ada, ben);
  await ada.call('POST', '/api/v1/configs/banners', {
    banners: [
      {
        id: randomUUID(),
        type: 'info',
        title: 'Tea',
        content: 'Tea at five.',
        dismissible: true,
        timestamp: 1,
      },
    ],
  });
}

const readBy = (group: string) => [{ principal_type: 'group', principal_id: group, permission: 'read' }];

async function makeGroup(ada: OpenWebui, users: string[]): Promise<string> {
  const { id } = await ada.call<WithId>('POST', '/api/v1/groups/create', {
    name: 'Keepers',
    description: 'Of the lighthouse',
  });
  await ada.call('POST', `/api/v1/groups/id/${id}/users/add`, { user_ids: users });
  return id;
}

/** Folders, tags, branches, a shared, a pinned and an archived chat, an answer with a rating. */
async function makeChats(ui: OpenWebui, name: string): Promise<void> {
  const outer = await ui.call<WithId>('POST', '/api/v1/folders/', { name: `Folder of ${name}` });
  const inner = await ui.call<WithId>('POST', '/api/v1/folders/', { name: 'Within', parent_id: outer.id });
  const chats: string[] = [];
  for (const title of ['Sea', 'Wind', 'Rain', 'Snow', 'Ünïcödé 🌊 \\u0041 "quoted"']) {
    const chat = branchedChat(`${title} of ${name}`);
    const { id } = await ui.call<WithId>('POST', '/api/v1/chats/new', { chat });
    chats.push(id);
  }
  const [sea, wind, rain, snow] = chats as [string, string, string, string];
  await ui.call('POST', `/api/v1/chats/${sea}/folder`, { folder_id: inner.id });
  for (const tag of ['water', 'Long Walks'])
    await ui.call('POST', `/api/v1/chats/${sea}/tags`, { name: tag });
  await ui.call('POST', `/api/v1/chats/${wind}/tags`, { name: 'water' });
  await ui.call('POST', `/api/v1/chats/${wind}/share`);
  await ui.call('POST', `/api/v1/chats/${rain}/pin`);
  await ui.call('POST', `/api/v1/chats/${snow}/archive`);
  await ui.call('POST', '/api/v1/evaluations/feedback', {
    type: 'rating',
    data: { rating: 1, model_id: CHAT_MODEL, reason: 'accurate', comment: 'thanks', sibling_model_ids: [] },
    meta: { model_id: CHAT_MODEL, chat_id: sea, message_id: 'none', arena: false },
    snapshot: { chat: { title: `Sea of ${name}` } },
  });
}

/** A question with two answers, of which the second was asked on from. */
function branchedChat(title: string): object {
  const [question, first, second, next] = [0, 1, 2, 3].map(() => randomUUID()) as [
    string,
    string,
    string,
    string,
  ];
  const message = (
    id: string,
    parentId: string | null,
    childrenIds: string[],
    role: string,
    content: string,
  ) => ({
    [id]: { id, parentId, childrenIds, role, content, timestamp: 1_760_000_000, models: [CHAT_MODEL] },
  });
  const messages = {
    ...message(question, null, [first, second], 'user', `What of ${title}? 'quotes', emoji 🌊, tab\t.`),
    ...message(first, question, [], 'assistant', 'Nothing.\n\n```sql\nSELECT 1;\n```'),
    ...message(second, question, [next], 'assistant', 'Everything.'),
    ...message(next, second, [], 'user', 'And then?'),
  };
  return {
    title,
    models: [CHAT_MODEL],
    params: { temperature: 0.5 },
    history: { messages, currentId: next },
    messages: Object.values(messages),
    tags: [],
    timestamp: 1_760_000_000_000,
    files: [],
  };
}

async function makeKnowledge(ada: OpenWebui, ben: OpenWebui, group: string): Promise<string> {
  const { id } = await ada.call<WithId>('POST', '/api/v1/knowledge/create', {
    name: 'Windhaven',
    description: 'All about the town',
    access_grants: readBy(group),
  });
  const harbour = 'The harbour of Windhaven freezes in January. '.repeat(60);
  for (const [name, text] of [
    [DOCUMENT.name, DOCUMENT.text],
    ['harbour.md', harbour],
  ] as const) {
    const file = await ada.upload(name, text);
    await ada.call('POST', `/api/v1/knowledge/${id}/file/add`, { file_id: file.id });
  }
  await ben.upload('own.txt', 'Ben keeps seven goats on the cliff.');
  return id;
}

async function makeWorkspace(ada: OpenWebui, group: string, knowledge: string): Promise<void> {
  const access_grants = readBy(group);
  const meta = { description: 'of the tests' };
  await ada.call('POST', '/api/v1/prompts/create', {
    command: 'weather',
    name: 'Weather',
    content: 'How is the weather in {{place}}?',
    tags: ['outside'],
    access_grants,
  });
  await ada.call('POST', '/api/v1/tools/create', {
    id: 'dice',
    name: 'Dice',
    content: TOOL,
    meta,
    access_grants,
  });
  await ada.call('POST', '/api/v1/functions/create', {
    id: 'nothing',
    name: 'Nothing',
    content: FUNCTION,
    meta,
  });
  await ada.call('POST', '/api/v1/skills/create', {
    id: 'rowing',
    name: 'Rowing',
    description: 'How to row',
    content: '# Rowing\n\nPull.',
    access_grants,
  });
  await ada.call('POST', '/api/v1/models/create', {
    id: 'keeper',
    base_model_id: CHAT_MODEL,
    name: 'Keeper',
    meta: {
      ...meta,
      knowledge: [{ id: knowledge, name: 'Windhaven', type: 'collection' }],
      toolIds: ['dice'],
    },
    params: { system: 'You keep the light.', temperature: 0.1 },
    access_grants,
  });
}

async function makeChannel(ada: OpenWebui, ben: OpenWebui): Promise<void> {
  const { id } = await ada.call<WithId>('POST', '/api/v1/channels/create', {
    name: 'harbour',
    description: 'Talk',
    access_grants: [
      { principal_type: 'user', principal_id: '*', permission: 'read' },
      { principal_type: 'user', principal_id: '*', permission: 'write' },
    ],
  });
  const post = (ui: OpenWebui, content: string, parent_id?: string) =>
    ui.call<WithId>('POST', `/api/v1/channels/${id}/messages/post`, {
      content,
      ...(parent_id && { parent_id }),
    });
  const first = await post(ada, 'Ship ahoy');
  await post(ben, 'Where?', first.id);
  await ben.call('POST', `/api/v1/channels/${id}/messages/${first.id}/reactions/add`, { name: 'ship' });
}
