/** JavaScript literals that stay literals, whatever is in them. */

const NEEDS_NO_QUOTES = /^[A-Za-z_$][\w$]*$/;

/** `__proto__: 1` in an object literal sets the prototype, quoted or not; computed, it is a key like any other. */
const PROTOTYPE = '__proto__';

/**
 * A string literal. JSON's escapes, and more: characters that end a line in older JavaScript, that end a script or a
 * comment where the file is shown, or that nobody can see.
 */
export function stringLiteral(text: string): string {
  return escapeHidden(JSON.stringify(text));
}

/** The same for a whole JSON text, in which such characters can only be in strings. */
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
 * Text for a `//` comment: one line, of characters that can be seen. For what we say ourselves; values that come from
 * elsewhere do not belong into comments.
 */
export function commentText(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\u00ac\u00ae-\u1fff\u2010-\u2027\u2030-\u205e\u2190-\u2bff]+/g, ' ');
}
