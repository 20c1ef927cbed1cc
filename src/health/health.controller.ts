import { Controller, Get, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { Public } from '../auth/public-route.js';
import { HealthFilter } from './health.filter.js';
import { HealthService } from './health.service.js';

/** What Kubernetes and load balancers ask. */
@ApiExcludeController()
@Public()
@UseFilters(HealthFilter)
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthService,
    private readonly checks: HealthCheckService,
  ) {}

  /** The process works. Says nothing about what it depends on: restarting it would mend none of that. */
  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Migrated and warm, or warming has had its time. */
  @Get('startup')
  startup(): Promise<HealthCheckResult> {
    return this.checks.check([() => this.health.startup()]);
  }

  /** Can serve now. */
  @Get('ready')
  ready(): Promise<HealthCheckResult> {
    return this.checks.check([() => this.health.database(), () => this.health.cache(), () => this.health.coherence()]);
  }
}
