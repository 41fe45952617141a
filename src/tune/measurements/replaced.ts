/* The user's settings that a measurement replaces, because they lead to the user's servers or folders. Pure. */

/** They would reach the user's servers or folders. */
export const EMPTIED = [
  'AUDIT_WEBHOOK_URL',
  'CONTENT_EXTRACTION_ENGINE',
  'DATABASE_HOST',
  'DATABASE_NAME',
  'DATABASE_PASSWORD',
  'DATABASE_PORT',
  'DATABASE_TYPE',
  'DATABASE_USER',
  'EXTERNAL_PWA_MANIFEST_URL',
  'LICENSE_KEY',
  'OPENID_PROVIDER_URL',
  'REDIS_SENTINEL_HOSTS',
  'WEBHOOK_URL',
  'WEBSOCKET_SENTINEL_HOSTS',
  'WEBUI_AUTH_TRUSTED_EMAIL_HEADER',
  'CHROMA_CLIENT_AUTH_PROVIDER',
  'CHROMA_CLIENT_AUTH_CREDENTIALS',
  'CHROMA_HTTP_HEADERS',
];

/** Lists of servers, replaced by empty lists. */
export const NO_CONNECTIONS = ['TERMINAL_SERVER_CONNECTIONS', 'TOOL_SERVER_CONNECTIONS'];

export const SWITCHED_OFF = [
  'CHROMA_HTTP_SSL',
  'DATABASE_ENABLE_IAM_TOKEN_AUTH',
  'ENABLE_LDAP',
  'ENABLE_OTEL',
  'REDIS_CLUSTER',
  'WEBSOCKET_REDIS_CLUSTER',
];

/** Whether a measurement replaces this setting, so that a change of it is no reason to measure again. */
export function isReplaced(name: string): boolean {
  return (
    EMPTIED.includes(name) ||
    SWITCHED_OFF.includes(name) ||
    NO_CONNECTIONS.includes(name) ||
    /^(?:DATABASE_URL|(?:WEBSOCKET_)?REDIS_URL|PGVECTOR_DB_URL|CHROMA_HTTP_(?:HOST|PORT)|DATA_DIR|(?:RAG_)?OPENAI_API_\w+|OLLAMA_\w+|WEBUI_ADMIN_\w+|WEBUI_(?:URL|NAME|SECRET_KEY)|CORS_ALLOW_ORIGIN|AUDIT_LOGS_FILE_PATH|HOST|PORT|HOME|PATH|PWD|USER)$/.test(
      name,
    )
  );
}
