import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWK } from 'jose';
import { UserTokens, type TokenOptions } from '../../src/auth/user-tokens.js';

const SECRET = 'a secret of more than thirty-two bytes';
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'chats';

const withSecret = new UserTokens({ keys: { secret: SECRET }, issuer: ISSUER, audience: AUDIENCE });

function claims(): SignJWT {
  return new SignJWT({}).setSubject('ann').setIssuer(ISSUER).setAudience(AUDIENCE).setExpirationTime('1h');
}

function sign(token: SignJWT, secret = SECRET): Promise<string> {
  return token.setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
}

function expectRefused(tokens: UserTokens, token: string, detail: RegExp = /./): Promise<void> {
  return expect(tokens.verify(token)).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringMatching(detail),
  });
}

describe('a token that is signed with the secret', () => {
  it('names its user, and when it ends', async () => {
    const exp = Math.floor(Date.now() / 1000) + 60;
    const token = await sign(claims().setSubject('Ünï·1').setExpirationTime(exp));
    expect(UserTokens.looksLike(token)).toBe(true);
    expect(await withSecret.verify(token)).toEqual({ userId: 'Ünï·1', expiresAtMs: exp * 1000 });
  });

  it('is refused when it has expired, or is not good yet', async () => {
    await expectRefused(withSecret, await sign(claims().setExpirationTime('-1m')), /expired/);
    await expectRefused(withSecret, await sign(claims().setNotBefore('1m')), /nbf/);
  });

  it('is refused from another issuer, for another audience, without an end and without a user', async () => {
    await expectRefused(withSecret, await sign(claims().setIssuer('https://other.example')), /iss/);
    await expectRefused(withSecret, await sign(claims().setAudience('mails')), /aud/);
    const endless = new SignJWT({}).setSubject('ann').setIssuer(ISSUER).setAudience(AUDIENCE);
    await expectRefused(withSecret, await sign(endless), /exp/);
    const nobody = new SignJWT({}).setIssuer(ISSUER).setAudience(AUDIENCE).setExpirationTime('1h');
    await expectRefused(withSecret, await sign(nobody), /sub/);
  });

  it.each(['', 'x'.repeat(129), 'a\u0000b', 'a\nb', '\ud800'])(
    'is refused when its user cannot be one: %j',
    async (sub) => {
      await expectRefused(withSecret, await sign(claims().setSubject(sub)));
    },
  );

  it('is refused when it is signed by somebody else, altered, not signed, or too long', async () => {
    await expectRefused(withSecret, await sign(claims(), 'another secret of more than 32 bytes.'), /signature/);
    const token = await sign(claims());
    const [head, , signature] = token.split('.');
    const altered = Buffer.from(JSON.stringify({ sub: 'bob', exp: 9999999999 })).toString('base64url');
    await expectRefused(withSecret, `${head}.${altered}.${signature}`);
    const unsigned = new UnsecuredJWT({}).setSubject('ann').setIssuer(ISSUER).setAudience(AUDIENCE);
    await expectRefused(withSecret, unsigned.setExpirationTime('1h').encode());
    await expectRefused(withSecret, `${'a'.repeat(10_000)}.b.c`, /too long/);
    for (const broken of ['..', 'a.b.c', 'e30.e30.e30', `${head}..${signature}`])
      await expectRefused(withSecret, broken);
  });
});

describe('a token that is signed with a key of a set', () => {
  const pairs: Record<string, { publicKey: CryptoKey; privateKey: CryptoKey }> = {};
  let server: Server;
  let published: JWK[];
  let answer: 'keys' | 'nothing' | 'error' | 'nonsense';
  let asked: number;
  let options: TokenOptions;

  beforeAll(async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) pairs[alg] = await generateKeyPair(alg, { extractable: true });
    server = createServer((_request, response) => {
      asked++;
      if (answer === 'nothing') return;
      if (answer === 'error') response.writeHead(500).end();
      else response.end(answer === 'keys' ? JSON.stringify({ keys: published }) : 'no keys here');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    options = { keys: { jwksUrl: `http://127.0.0.1:${port}/keys` }, issuer: undefined, audience: undefined };
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  beforeEach(async () => {
    answer = 'keys';
    asked = 0;
    published = await Promise.all(
      Object.entries(pairs).map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid })),
    );
  });

  function signWith(alg: string, kid = alg): Promise<string> {
    return claims().setProtectedHeader({ alg, kid }).sign(pairs[alg]!.privateKey);
  }

  it.each(['RS256', 'ES256', 'EdDSA'])('is good by %s', async (alg) => {
    expect(await new UserTokens(options).verify(await signWith(alg))).toMatchObject({ userId: 'ann' });
  });

  it('has the set fetched once for many tokens', async () => {
    const tokens = new UserTokens(options);
    await Promise.all(Array.from({ length: 20 }, async () => tokens.verify(await signWith('ES256'))));
    await tokens.verify(await signWith('RS256'));
    expect(asked).toBe(1);
  });

  it('is refused when its key is not in the set, and has it fetched no more often for that', async () => {
    const tokens = new UserTokens(options);
    for (let time = 0; time < 5; time++) await expectRefused(tokens, await signWith('ES256', `made up ${time}`), /key/);
    expect(asked).toBe(1);
  });

  describe('and does not say with which of several', () => {
    let second: CryptoKey;
    const signBy = (key: CryptoKey): Promise<string> => claims().setProtectedHeader({ alg: 'ES256' }).sign(key);
    beforeEach(async () => {
      const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
      second = privateKey;
      published.push({ ...(await exportJWK(publicKey)), kid: 'the second' });
    });

    it('is good by any of those that fit', async () => {
      const tokens = new UserTokens(options);
      for (const key of [pairs['ES256']!.privateKey, second]) {
        expect(await tokens.verify(await signBy(key))).toMatchObject({ userId: 'ann' });
      }
    });

    it('is refused by all of them when it is signed by none, or has expired', async () => {
      const tokens = new UserTokens(options);
      const { privateKey } = await generateKeyPair('ES256');
      await expectRefused(tokens, await signBy(privateKey), /signature/);
      const old = claims().setExpirationTime('-1m').setProtectedHeader({ alg: 'ES256' });
      await expectRefused(tokens, await old.sign(second), /expired/);
    });

    it('is judged by the keys that were fetched before while the set cannot be', async () => {
      const tokens = new UserTokens(options);
      await tokens.verify(await signBy(second));
      answer = 'error';
      const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 660_000);
      const later = claims().setExpirationTime('1h').setProtectedHeader({ alg: 'ES256' });
      expect(await tokens.verify(await later.sign(second))).toMatchObject({ userId: 'ann' });
      expect(asked).toBe(2);
      now.mockRestore();
    });
  });

  it('is refused when it takes the public key for a secret', async () => {
    const secret = new TextEncoder().encode(JSON.stringify(published[0]));
    const token = await claims().setProtectedHeader({ alg: 'HS256', kid: 'RS256' }).sign(secret);
    await expectRefused(new UserTokens(options), token, /algorithm/);
  });

  describe('while the set cannot be fetched', () => {
    let nowMs: number;
    beforeEach(() => {
      nowMs = Date.now();
      jest.spyOn(Date, 'now').mockImplementation(() => nowMs);
    });
    afterEach(() => {
      jest.restoreAllMocks();
    });

    it.each(['error', 'nonsense', 'nothing'] as const)(
      'cannot be judged where it gives %s, and can a while after it is back, which is not asked for each token',
      async (what) => {
        const tokens = new UserTokens(options);
        const token = await signWith('ES256');
        answer = what;
        for (let time = 0; time < 5; time++) {
          await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'token_keys_unavailable' });
        }
        expect(asked).toBe(1);
        answer = 'keys';
        nowMs += 10_000;
        expect(await tokens.verify(token)).toMatchObject({ userId: 'ann' });
        expect(asked).toBe(2);
      },
    );

    it('is judged by the keys that were fetched before, however old, and not refused for a key that they have not', async () => {
      const tokens = new UserTokens(options);
      const token = await signWith('ES256');
      await tokens.verify(token);
      answer = 'error';
      nowMs += 3_000_000;
      const later = await new SignJWT({ sub: 'ben' })
        .setProtectedHeader({ alg: 'ES256', kid: 'ES256' })
        .setExpirationTime(Math.floor(nowMs / 1000) + 60)
        .sign(pairs['ES256']!.privateKey);
      expect(await tokens.verify(later)).toMatchObject({ userId: 'ben' });
      await expect(tokens.verify(await signWith('ES256', 'made up'))).rejects.toMatchObject({
        code: 'token_keys_unavailable',
      });
      expect(asked).toBe(2);
    });
  });
});
