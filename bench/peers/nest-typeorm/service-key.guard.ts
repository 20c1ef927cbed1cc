import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Lets in who has the service key whose SHA-256 is SERVICE_KEY_SHA256: the same check that Scrollback makes. */
@Injectable()
export class ServiceKeyGuard implements CanActivate {
  readonly #digest = Buffer.from(process.env['SERVICE_KEY_SHA256']!, 'hex');

  canActivate(context: ExecutionContext): boolean {
    const { authorization } = context.switchToHttp().getRequest<FastifyRequest>().headers;
    const [type, key] = authorization?.split(' ') ?? [];
    if (type !== 'Bearer' || key === undefined) throw new UnauthorizedException();
    if (!timingSafeEqual(createHash('sha256').update(key).digest(), this.#digest)) throw new UnauthorizedException();
    return true;
  }
}
