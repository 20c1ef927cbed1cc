import { Column, CreateDateColumn, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** A message, as most applications store one: paged by its id, which the index serves in the order that is asked for. */
@Entity()
@Index(['chatId', 'id'])
export class Message {
  @PrimaryGeneratedColumn({ type: 'bigint' })
  id!: string;

  @Column('uuid', { select: false })
  chatId!: string;

  @Column('text')
  senderId!: string;

  @Column('text')
  text!: string;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
