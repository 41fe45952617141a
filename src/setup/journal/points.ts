/**
 * Gets the name of each place where a job can be cut short, when it comes there. Tests put a function here that ends the
 * process; nothing else does.
 */
export const points = { reach: (_name: string): void => {} };
