/** Path of an nginx; undefined: there is none. */
export function findNginx(): string | undefined;
