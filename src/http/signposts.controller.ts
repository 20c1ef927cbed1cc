import { Controller, Get, Param } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { Public } from '../auth/public-route.js';
import { Problems } from '../chat/api-operation.js';
import { problemPageSchema, startPageSchema } from '../chat/wire-schemas.js';
import { ERROR_CODES, type ErrorCode } from '../common/error-codes.js';
import { ScrollbackError } from '../common/scrollback-error.js';

/** What somebody finds who has nothing but an address: where to go on from the root, and what the `type` of a problem means. */
@ApiTags('operations')
@ApiSecurity({})
@Public()
@Controller()
export class SignpostsController {
  @ApiOperation({ operationId: 'start', summary: 'Where to go on from here.' })
  @ApiResponse({ status: 200, description: 'OK', standardSchema: startPageSchema })
  @Problems(503)
  @Get()
  start(): Readonly<Record<string, string>> {
    return { name: 'Scrollback', docs: '/docs', openapi: '/openapi.json', ready: '/health/ready' };
  }

  @ApiOperation({ operationId: 'problems.explain', summary: 'What a problem means, and what to do.' })
  @ApiParam({ name: 'code', schema: { type: 'string', enum: Object.keys(ERROR_CODES) } })
  @ApiResponse({ status: 200, description: 'OK', standardSchema: problemPageSchema })
  @Problems(404, 503)
  @Get('problems/:code')
  explain(@Param('code') code: string): object {
    if (!isErrorCode(code)) throw new ScrollbackError('route_not_found', 'No problem has this code.');
    const { status, title, advice } = ERROR_CODES[code];
    return { type: `/problems/${code}`, code, status, title, advice };
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
