import { describe, expect, it } from 'vitest';
import { apiCalls, chatCalls, readRecording } from '../../../src/bench/contest/visits.ts';

describe('the recording', () => {
  const recording = readRecording();

  it('is asked as somebody else', () => {
    const calls = apiCalls(recording, 'the-user');
    expect(calls.length).toBeGreaterThan(10);
    expect(calls.some(({ path }) => path.includes('/users/the-user/'))).toBe(true);
  });

  it('asks around a question, and not the question', () => {
    const calls = chatCalls(recording, 'the-chat');
    expect(calls.some(({ path }) => path === '/api/v1/chats/the-chat')).toBe(true);
    expect(calls.every(({ method }) => method === 'GET')).toBe(true);
  });
});
