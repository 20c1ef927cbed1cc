import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Problems } from '../chat/api-operation.js';
import { Metrics } from './metrics.js';
import { ServicesOnly } from '../auth/services-only.js';

/** What Prometheus scrapes. */
@ApiTags('operations')
@ServicesOnly()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @ApiOperation({ operationId: 'metrics.scrape', summary: 'Metrics in the text format of Prometheus.' })
  @ApiResponse({ status: 200, description: 'OK', content: { 'text/plain': { schema: { type: 'string' } } } })
  @Problems(401, 403, 503)
  @Get()
  async scrape(@Res() reply: FastifyReply): Promise<void> {
    const text = await this.metrics.registry.metrics();
    void reply.header('content-type', this.metrics.registry.contentType).send(text);
  }
}
