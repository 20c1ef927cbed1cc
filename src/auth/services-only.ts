import { SetMetadata } from '@nestjs/common';

/** Metadata key of routes that are for services. */
export const SERVICES_ONLY = Symbol('services only');

/** Refuses users at a route, whatever chats they are in: it shows or changes what is of all. */
export const ServicesOnly = (): MethodDecorator & ClassDecorator => SetMetadata(SERVICES_ONLY, true);
