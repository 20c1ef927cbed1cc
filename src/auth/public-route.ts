import { SetMetadata } from '@nestjs/common';

/** Metadata key of routes that need no caller. */
export const PUBLIC_ROUTE = Symbol('public route');

/** Lets everybody call a route. For health checks and signposts alone: they tell nothing of any chat. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC_ROUTE, true);
