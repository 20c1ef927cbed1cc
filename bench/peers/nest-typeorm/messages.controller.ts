import {
  Body,
  Controller,
  DefaultValuePipe,
  Get,
  Header,
  Param,
  ParseIntPipe,
  ParseUUIDPipe,
  Post,
  Query,
} from '@nestjs/common';
import type { Message } from './message.entity.js';
import { MessagesService, PAGE_LIMIT, type MessagePage, type NewMessage } from './messages.service.js';

/** The two routes that are measured. Answers are objects, which Nest turns into JSON, or JSON that is ready. */
@Controller('v1/chats/:chatId/messages')
export class MessagesController {
  constructor(private readonly messages: MessagesService) {}

  @Get()
  @Header('content-type', 'application/json; charset=utf-8')
  list(
    @Param('chatId', ParseUUIDPipe) chatId: string,
    @Query('limit', new DefaultValuePipe(PAGE_LIMIT), ParseIntPipe) limit: number,
    @Query('before') before?: string,
  ): Promise<MessagePage | string> {
    return this.messages.findPage(chatId, Math.min(limit, 200), before);
  }

  @Post()
  send(@Param('chatId', ParseUUIDPipe) chatId: string, @Body() body: NewMessage): Promise<Message> {
    return this.messages.create(chatId, body);
  }
}
