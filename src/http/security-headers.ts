import { resolveSecurityHeaders } from '@nestjs/core/security/security-headers.js';
import type { SecurityHeadersOptions } from '@nestjs/common';

/** What every answer carries beside Nest's defaults, which are helmet's. */
export const SECURITY_HEADERS: SecurityHeadersOptions = {
  /**
   * For the documentation page: its own scripts and styles, and no demand to load them by HTTPS, which the server itself
   * does not speak.
   */
  contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
  // For who ends TLS to decide: sent from here it would bind the host's whole domain.
  strictTransportSecurity: false,
};

/** The same as names and values in turn, for answers that do not pass through Nest. */
export function securityHeaderList(): string[] {
  return resolveSecurityHeaders(SECURITY_HEADERS).headers.flat();
}
