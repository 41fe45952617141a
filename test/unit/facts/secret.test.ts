import { describe, expect, it } from 'vitest';
import { isSecret } from '../../../src/facts/settings/secret.ts';

describe('isSecret', () => {
  it.each([
    ['WEBUI_SECRET_KEY', 'x'],
    ['OPENAI_API_KEY', 'x'],
    ['OPENAI_API_KEYS', 'x;y'],
    ['LDAP_APP_PASSWORD', '123456'],
    ['SCIM_TOKEN', 'x'],
    ['SOUGOU_API_SK', 'x'],
    ['AUTOMATIC1111_API_AUTH', 'user:x'],
    ['WEBHOOK_URL', 'https://hooks.example/a'],
    ['CHROMA_CLIENT_AUTH_CREDENTIALS', 'x'],
    ['CHROMA_HTTP_HEADERS', 'a=b'],
    ['TOOL_SERVER_CONNECTIONS', '[]'],
    ['GOOGLE_CLIENT_SECRET', 'x'],
    ['DATABASE_URL', 'postgresql://u:p@h/n'],
    ['DATABASE_URL', 'postgresql://u:a/b@h/n'],
    ['DATABASE_URL', 'postgresql://u:a b@h/n'],
    ['DATABASE_URL', 'postgresql://u:a#b?c@h/n'],
    ['OPENAI_API_BASE_URL', 'https://%3Ctoken%3E@h/v1'],
    ['REDIS_URL', 'redis://:p@h:6379/0'],
    ['OLLAMA_BASE_URLS', 'http://a;http://u:p@b'],
    ['OPENAI_API_BASE_URL', 'https://h/v1?api-key=x'],
    ['WEBUI_NAME', 'sk-abcdefghijklmnop'],
    ['WEBUI_NAME', 'ghp_abcdefghijklmnop'],
    ['WEBUI_NAME', '0123456789abcdef0123456789abcdef'],
    ['AUDIO_TTS_OPENAI_PARAMS', '{"a": "b"}'],
    ['WEBUI_NAME', 'two\nlines'],
  ])('%s=%j', (name, value) => expect(isSecret(name, value)).toBe(true));

  it.each([
    ['WEBSOCKET_MANAGER', 'redis'],
    ['REDIS_URL', 'redis://127.0.0.1:6379/0'],
    ['DATABASE_URL', 'postgresql://root@127.0.0.1:5432/webui?sslmode=require'],
    ['ENABLE_API_KEYS', 'True'],
    ['REDIS_KEY_PREFIX', 'open-webui'],
    ['WEBUI_SECRET_KEY_LENGTH', '24'],
    ['WEBUI_AUTH', 'False'],
    ['WEBUI_AUTH_TRUSTED_EMAIL_HEADER', 'X-Email'],
    ['RAG_EMBEDDING_MODEL', 'sentence-transformers/all-MiniLM-L6-v2'],
    ['CORS_ALLOW_ORIGIN', 'https://a.example;https://b.example'],
    ['OAUTH_CLIENT_ID', 'open-webui'],
    ['THREAD_POOL_SIZE', '2000'],
    ['OPENAI_API_KEY', ''],
  ])('not %s=%j', (name, value) => expect(isSecret(name, value)).toBe(false));
});
