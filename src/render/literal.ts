/** JavaScript literals that stay literals, whatever they hold. */

const NEEDS_NO_QUOTES = /^[A-Za-z_$][\w$]*$/;

/** `__proto__: 1` in an object literal sets the prototype, quoted or not; a computed `__proto__` is an ordinary key. */
const PROTOTYPE = '__proto__';

/**
 * A string literal. Beyond JSON's escapes, it escapes characters that end a line in older JavaScript, that end a script or a
 * comment if the file is shown in a page, or that are invisible.
 */
export function stringLiteral(text: string): string {
  return escapeHidden(JSON.stringify(text));
}

/** The same for a whole JSON text, which can have such characters only in strings. */
export function escapeHidden(json: string): string {
  return json
    .replace(/[\u007f-\u009f\u00ad\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, escapeUnit)
    .replace(/<(?=[/!])|(?<=-)->|\*(?=\/)/g, (text) => escapeUnit(text[0] ?? '') + text.slice(1));
}

/** The name of a property, quoted only where it must be. */
export function propertyName(name: string): string {
  if (name === PROTOTYPE) return `[${stringLiteral(name)}]`;
  return NEEDS_NO_QUOTES.test(name) ? name : stringLiteral(name);
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Text for a `//` comment: one line of visible characters. Only for our own words; values from elsewhere do not belong in
 * comments.
 */
export function commentText(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\u00ac\u00ae-\u1fff\u2010-\u2027\u2030-\u205e\u2190-\u2bff]+/g, ' ');
}
