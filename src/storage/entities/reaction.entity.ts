import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `reaction`: one user's emoji on one message. */
@Entity('reaction')
export class ReactionEntity {
  @PrimaryColumn('uuid', { name: 'chat_id' })
  chatId!: string;

  @PrimaryColumn('bigint')
  seq!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @PrimaryColumn('text')
  emoji!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;
}
