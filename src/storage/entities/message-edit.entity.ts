import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `message_edit`: what an edit replaced. */
@Entity('message_edit')
export class MessageEditEntity {
  @PrimaryColumn('uuid', { name: 'chat_id' })
  chatId!: string;

  @PrimaryColumn('bigint')
  seq!: string;

  /** Chat version of the message's last change before the edit, be it a reaction: the message had this content then. */
  @PrimaryColumn('bigint')
  version!: string;

  @Column('text')
  text!: string;

  @Column('jsonb', { nullable: true })
  metadata!: Record<string, unknown> | null;

  @Column({ type: 'timestamptz', name: 'replaced_at', precision: 3 })
  replacedAt!: Date;
}
