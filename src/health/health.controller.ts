import { Controller, Get, UseFilters } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { Public } from '../auth/public-route.js';
import { HealthFilter } from './health.filter.js';
import { HealthService } from './health.service.js';
import { healthSchema, livenessSchema } from './wire-schemas.js';

/** What Kubernetes and load balancers ask. */
@ApiTags('operations')
@ApiSecurity({})
@Public()
@UseFilters(HealthFilter)
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthService,
    private readonly checks: HealthCheckService,
  ) {}

  /** The process works. Says nothing about what it depends on: restarting it would mend none of that. */
  @ApiOperation({ operationId: 'health.live', summary: 'Does the process work?' })
  @ApiResponse({ status: 200, description: 'Yes', standardSchema: livenessSchema })
  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Migrated and warm, or warming has had its time. */
  @ApiOperation({ operationId: 'health.startup', summary: 'Is the start over: migrated, and warm?' })
  @ApiResponse({ status: 200, description: 'Yes', standardSchema: healthSchema })
  @ApiResponse({ status: 503, description: 'Not yet; the body tells how far it is', standardSchema: healthSchema })
  @Get('startup')
  startup(): Promise<HealthCheckResult> {
    return this.checks.check([() => this.health.startup()]);
  }

  /** Can serve now. */
  @ApiOperation({ operationId: 'health.ready', summary: 'Can it serve now?' })
  @ApiResponse({ status: 200, description: 'Yes', standardSchema: healthSchema })
  @ApiResponse({ status: 503, description: 'No; the body names the parts that are down', standardSchema: healthSchema })
  @Get('ready')
  ready(): Promise<HealthCheckResult> {
    return this.checks.check([
      () => this.health.database(),
      () => this.health.cache(),
      () => this.health.coherence(),
      () => this.health.redis(),
    ]);
  }
}
