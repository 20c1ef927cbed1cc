import { describe, expect, it } from '@jest/globals';
import { addressOf, isTls, loginOf } from '../../src/redis/redis-address.js';

describe('the URL of a Redis node', () => {
  it.each([
    ['redis://cache', { host: 'cache', port: 6379 }],
    ['redis://10.0.0.7:7000/2', { host: '10.0.0.7', port: 7000 }],
    ['rediss://[fd00::7]:7000', { host: 'fd00::7', port: 7000 }],
  ])('%s says where it is', (url, address) => {
    expect(addressOf(new URL(url))).toEqual(address);
    expect(isTls(new URL(url))).toBe(url.startsWith('rediss:'));
  });

  it.each([
    ['redis://cache', {}],
    ['redis://:p%40ss@cache', { password: 'p@ss' }],
    ['redis://ann:p%2Fw@cache', { username: 'ann', password: 'p/w' }],
  ])('%s says how to log in', (url, login) => {
    expect(loginOf(new URL(url))).toEqual(login);
  });
});
