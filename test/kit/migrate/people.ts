/** Who uses the Open WebUI whose data are migrated. The same in all versions, so that the kept data can be signed in to. */

/** Of WEBUI_SECRET_KEY: sessions are signed with it. It is of no installation. */
export const SECRET_KEY = 'key-of-the-migrated-tests';

export interface Person {
  name: string;
  email: string;
  password: string;
  role: 'admin' | 'user' | 'pending';
}

const person = (name: string, role: Person['role']): Person => ({
  name,
  role,
  email: `${name.toLowerCase()}@example.org`,
  password: `password-of-${name.toLowerCase()}`,
});

export const ADA = person('Ada', 'admin');
export const BEN = person('Ben', 'user');
export const CLEO = person('Cleo', 'user');
/** Has signed up, and is not let in yet. */
export const DANA = person('Dana', 'pending');
export const PEOPLE = [ADA, BEN, CLEO, DANA];

/** What the data need beside the usual settings, with the old server and with the new one. */
export const SETTINGS = {
  ENABLE_CHANNELS: 'true',
  ENABLE_API_KEYS: 'true',
  USER_PERMISSIONS_FEATURES_API_KEYS: 'true',
  USER_PERMISSIONS_CHAT_SHARE: 'true',
};

/** A document that one of them has uploaded, and a question that only it answers. */
export const DOCUMENT = {
  name: 'windhaven.txt',
  text: 'The lighthouse of Windhaven was built by Mara Quill in 1843, out of granite from the northern quarry.',
  question: 'Who built the lighthouse of Windhaven?',
  answer: 'Mara Quill',
};
