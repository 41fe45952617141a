/** The proxy of the end-to-end tests. */
import { ensurePackage, findProgram } from './debian.mjs';

/** Path of an nginx. Undefined: there is none. */
export const findNginx = () => findProgram('nginx');

export const ensureNginx = () => ensurePackage('nginx', 'the tests of the doctor behind a proxy');
